import { exampleDataset } from "../../align/data/dataset.js";
import { packedRows, shortened } from "../../align/data/packing/pack.js";
import { packSource } from "../../align/data/packing/pack-source.js";
import type { BatchSource, Rows, SourceOptions } from "../../align/data/rows.js";
import type { Sequence } from "../../align/data/sequence.js";
import { sequenceSource } from "../../align/data/source.js";
import { completionObjective } from "../../align/objectives/objective.js";
import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import type { Values } from "../options/takes.js";
import type { Recipe } from "../recipe.js";

/** Next-token training on completions, or on whole documents. */
export const sftRecipe = (values: Values<"sft">): Recipe<Values<"sft">, Sequence> => {
  const { completion_only_loss: completionOnly, eos_token: end, max_length, packing, packing_strategy } = values;
  const { eval_packing = packing, padding_free: paddingFree } = values;
  const dropout = values.use_peft && values.lora_dropout > 0 ? values.lora_dropout : undefined;
  // What is over the maximum length becomes pieces of its own.
  const splits = (packing || eval_packing) && (packing_strategy === "wrapped" || packing_strategy === "bfd_split");
  const sourced = (rows: Rows<Sequence>, options: SourceOptions, packs: boolean): BatchSource =>
    packs
      ? packSource(packedRows(rows, max_length, packing_strategy), options)
      : sequenceSource(splits ? shortened(rows, max_length) : rows, { ...options, paddingFree });
  return {
    label: "sft",
    cut: { completionOnly, assistantOnly: values.assistant_only_loss, ...(splits && { maxLength: undefined }) },
    checkTokenizer: ({ eosToken }) => {
      if (end !== undefined && end !== eosToken)
        throw new InputError(
          `eos_token is ${show(end)}, and the tokenizer's is ${show(eosToken)}; set eos_token in tokenizer_config.json, or leave it out`,
        );
    },
    read: exampleDataset,
    build: async ({ config, choice, rows, evalRows, training, evaluation }) => ({
      objective: completionObjective(config, {
        checkpoint: dropout === undefined ? choice.checkpoint : 0,
        together: choice.together,
      }),
      dropout,
      source: sourced(rows, training, packing),
      evalSource: evalRows && sourced(evalRows, evaluation, eval_packing),
    }),
  };
};
