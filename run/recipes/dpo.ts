import { pairDataset } from "../../align/data/dataset.js";
import type { Rows } from "../../align/data/rows.js";
import type { TokenPair } from "../../align/data/sequence.js";
import { type PairSourceOptions, pairSource } from "../../align/data/source.js";
import { REFERENCE_FREE } from "../../align/objectives/losses.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { InputError } from "../../core/errors.js";
import { startLoss } from "../checks/start-checks.js";
import type { Values } from "../options/takes.js";
import { checkCompared, comparedSources } from "../parts/compared.js";
import { movedBy } from "../parts/follows.js";
import { pairLossOptions } from "../parts/losses.js";
import type { Recipe } from "../recipe.js";
import { tellIdle, type Voice } from "../voice.js";

/** Preference pairs, against a reference model where the loss knows one. Errors: InputError for keys that contradict each other. */
export const dpoRecipe = (values: Values<"dpo">, out: Voice): Recipe<Values<"dpo">, TokenPair> => {
  const loss = pairLossOptions(values, out);
  checkCompared(values);
  const compares = loss.lossType.some((type) => !REFERENCE_FREE.includes(type));
  if (values.precompute_ref_log_probs === true && !compares)
    tellIdle(out, ["precompute_ref_log_probs"], `with loss_type ${values.loss_type.join(", ")}`);
  const moving = movedBy(values);
  if (moving !== undefined && !compares)
    throw new InputError(
      `${moving} moves the reference model, and loss_type ${values.loss_type.join(", ")} knows none`,
    );
  const { max_prompt_length: maxPromptLength, max_completion_length: maxCompletionLength } = values;
  if (maxPromptLength !== undefined && values.truncation_mode === "keep_start")
    out.note(
      "note: max_prompt_length is of TRL before 1.0, where what is over max_length lost its beginning by default; here it loses its end, unless truncation_mode is keep_end",
    );
  const sourced = (rows: Rows<TokenPair>, options: PairSourceOptions) =>
    pairSource(rows, { ...options, paddingFree: values.padding_free });
  return {
    label: "dpo",
    cut: { maxPromptLength, maxCompletionLength },
    precompute: compares ? (moving === undefined ? values.precompute_ref_log_probs : false) : undefined,
    read: pairDataset,
    build: async (parts) => {
      const { config, choice, rows, evalRows, training, evaluation } = parts;
      const objective = preferenceObjective(config, {
        ...loss,
        checkpoint: choice.checkpoint,
        together: choice.together,
      });
      if (compares)
        return {
          objective,
          ...(await comparedSources({ label: "dpo", sourced }, { ...parts, values }, out)),
          startLoss: await startLoss(loss, parts.device),
        };
      return {
        objective,
        source: sourced(rows, training),
        evalSource: evalRows && sourced(evalRows, evaluation),
      };
    },
  };
};
