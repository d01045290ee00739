import type { Planner } from "../../core/index.js";
import type { ModelConfig } from "../../models/index.js";
import type { Values } from "../options/takes.js";
import { dpoRecipe } from "../recipes/dpo.js";
import { ktoRecipe } from "../recipes/kto.js";
import { sftRecipe } from "../recipes/sft.js";
import { SILENT } from "../voice.js";
import { type Fit, planRun } from "./fit.js";
import type { TrainingKind } from "./kinds.js";
import type { MemoryValues } from "./remedies.js";
import { fullRows } from "./rows.js";

/** Plans a run of one kind, and says nothing of its own. */
export type PlanKind = (values: MemoryValues, config: ModelConfig, planner: Planner) => Promise<Fit>;
export const plans: { readonly [K in TrainingKind]: PlanKind } = {
  dpo: (values, config, planner) => {
    const own = values as unknown as Values<"dpo">;
    return planRun(dpoRecipe(own, SILENT), own, config, fullRows.dpo, planner);
  },
  kto: (values, config, planner) => {
    const own = values as unknown as Values<"kto">;
    return planRun(ktoRecipe(own, SILENT), own, config, fullRows.kto, planner);
  },
  sft: (values, config, planner) => {
    const own = values as unknown as Values<"sft">;
    return planRun(sftRecipe(own), own, config, fullRows.sft, planner);
  },
};
