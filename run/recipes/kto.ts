import { labelledDataset } from "../../align/data/dataset.js";
import { ktoSource } from "../../align/data/kto-source.js";
import type { LabelledSequence } from "../../align/data/sequence.js";
import { ktoObjective } from "../../align/objectives/kto.js";
import { InputError } from "../../core/errors.js";
import type { Values } from "../options/takes.js";
import { checkCompared, comparedSources } from "../parts/compared.js";
import { movedBy } from "../parts/follows.js";
import { checkKtoLoss } from "../parts/losses.js";
import type { Recipe } from "../recipe.js";
import type { Voice } from "../voice.js";

/** Labelled answers against a reference model; pairs become two answers each. Errors: InputError for keys that it cannot go by. */
export const ktoRecipe = (values: Values<"kto">, out: Voice): Recipe<Values<"kto">, LabelledSequence> => {
  checkKto(values);
  const {
    beta,
    desirable_weight: desirableWeight,
    undesirable_weight: undesirableWeight,
    max_length: maxLength,
    shuffle_dataset: shuffles,
    precompute_ref_log_probs: precomputed,
  } = values;
  checkCompared(values);
  return {
    label: "kto",
    precompute:
      movedBy(values) !== undefined || (precomputed === "auto" && (shuffles || values.group_by_length))
        ? false
        : precomputed,
    read: labelledDataset,
    build: async (parts) => ({
      objective: ktoObjective(parts.config, {
        ...{ beta, desirableWeight, undesirableWeight },
        checkpoint: parts.choice.checkpoint,
        together: parts.choice.together,
      }),
      ...(await comparedSources(
        {
          label: "kto",
          sourced: (rows, options) => ktoSource(rows, { ...options, maxLength }),
          // Which rows are neighbours, and where their answers are cut.
          settings: ({ batchSize }) => ({ batch_size: batchSize, max_length: maxLength }),
        },
        { ...parts, values },
        out,
      )),
    }),
  };
};

/** Errors: InputError for keys that KTO cannot go by. */
const checkKto = (values: Values<"kto">): void => {
  const { per_device_train_batch_size, per_device_eval_batch_size } = values;
  checkKtoLoss(values, { per_device_train_batch_size, per_device_eval_batch_size });
  if (values.truncation_mode === "keep_end")
    throw new InputError("truncation_mode keep_end is not for kto: its prompts must stay whole; leave it out");
  if (values.precompute_ref_log_probs === true && (values.shuffle_dataset || values.group_by_length))
    throw new InputError(
      "precompute_ref_log_probs: kto compares each row with its neighbour, who is the same in every epoch only in file order; set shuffle_dataset: false and no group_by_length, or leave precompute_ref_log_probs out",
    );
};
