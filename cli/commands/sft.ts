import { exampleDataset } from "../../align/data/dataset.js";
import { sequenceSource } from "../../align/data/source.js";
import type { Sequence } from "../../align/data/tokenize.js";
import { completionObjective } from "../../align/objectives/objective.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/command.js";
import type { Recipe } from "../training/recipe.js";

/** Next-token training on completions, or on whole documents. */
export const sftRecipe: Recipe<Values<"sft">, Sequence> = {
  label: "sft",
  read: exampleDataset,
  build: async ({ config, choice, rows, evalRows, training, evaluation }) => ({
    objective: completionObjective(config, { checkpoint: choice.checkpoint }),
    source: sequenceSource(rows, training),
    evalSource: evalRows && sequenceSource(evalRows, evaluation),
  }),
};

/** `taugrad sft`: training on instructions, or documents. */
export const sftCommand = (values: Values<"sft">, out: Output): Promise<void> =>
  trainingCommand(sftRecipe, values, out);
