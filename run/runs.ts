import type { RunPlan } from "./dry-run/dry-run.js";
import type { TrainingKind } from "./fit/kinds.js";
import type { Host } from "./host.js";
import type { Values } from "./options/takes.js";
import { dpoRecipe } from "./recipes/dpo.js";
import { ktoRecipe } from "./recipes/kto.js";
import { sftRecipe } from "./recipes/sft.js";
import type { RunResult } from "./result.js";
import { trainingRun } from "./training.js";

/** A run of each kind, of keys that are read and checked one by one. Errors: as `trainingRun`, and those of the recipe. */
export const runs: { readonly [K in TrainingKind]: (values: Values<K>, host: Host) => Promise<RunResult | RunPlan> } = {
  sft: (values, host) => trainingRun(sftRecipe(values), values, host),
  dpo: (values, host) => trainingRun(dpoRecipe(values, host), values, host),
  kto: (values, host) => trainingRun(ktoRecipe(values, host), values, host),
};
