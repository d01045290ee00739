import { exampleDataset } from "../../../align/data/dataset.js";
import { sequenceSource } from "../../../align/data/source.js";
import type { Sequence } from "../../../align/data/tokenize.js";
import { completionObjective } from "../../../align/objectives/objective.js";
import type { Values } from "../../options.js";
import type { Recipe } from "../recipe.js";

/** Next-token training on completions, or on whole documents. */
export const sftRecipe: Recipe<Values<"sft">, Sequence> = {
  label: "sft",
  read: exampleDataset,
  build: async ({ config, choice, rows, evalRows, training, evaluation }) => ({
    objective: completionObjective(config, { checkpoint: choice.checkpoint, together: choice.together }),
    source: sequenceSource(rows, training),
    evalSource: evalRows && sequenceSource(evalRows, evaluation),
  }),
};
