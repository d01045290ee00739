import { exampleDataset } from "../../../align/data/dataset.js";
import { sequenceSource } from "../../../align/data/source.js";
import type { Sequence } from "../../../align/data/tokenize.js";
import { completionObjective } from "../../../align/objectives/objective.js";
import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import type { Values } from "../../options.js";
import type { Recipe } from "../recipe.js";

/** Next-token training on completions, or on whole documents. */
export const sftRecipe = ({
  completion_only_loss: completionOnly,
  eos_token: end,
}: Values<"sft">): Recipe<Values<"sft">, Sequence> => ({
  label: "sft",
  cut: { completionOnly },
  checkTokenizer: ({ eosToken }) => {
    if (end !== undefined && end !== eosToken)
      throw new InputError(
        `eos_token is ${show(end)}, and the tokenizer's is ${show(eosToken)}; set eos_token in tokenizer_config.json, or leave it out`,
      );
  },
  read: exampleDataset,
  build: async ({ config, choice, rows, evalRows, training, evaluation }) => ({
    objective: completionObjective(config, { checkpoint: choice.checkpoint, together: choice.together }),
    source: sequenceSource(rows, training),
    evalSource: evalRows && sequenceSource(evalRows, evaluation),
  }),
});
