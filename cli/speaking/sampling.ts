import { type GenerateOptions, generationDefaults } from "../../models/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

/** How to generate: the options that were given, and under them the folder's own. What the folder decided is a note. */
export const samplingOf = (
  values: Omit<Values<"chat">, "chat_template_path">,
  most: number,
  out: Output,
): GenerateOptions => {
  const { sampling, maxNewTokens, said } = generationDefaults(values.model, {
    greedy: values.greedy,
    temperature: values.temperature,
    topK: values.top_k,
    topP: values.top_p,
    minP: values.min_p,
    typicalP: values.typical_p,
    repetitionPenalty: values.repetition_penalty,
    seed: values.seed,
  });
  if (said !== "") out.note(said);
  return { ...sampling, maxNewTokens: values.max_new_tokens ?? maxNewTokens ?? most };
};
