import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { readConfig } from "../../models/config.js";
import { fileExists } from "../../models/files/json.js";
import { generate, loadModel, loadTokenizer, type Tokenizer } from "../../models/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { withDevice } from "../session.js";
import { parseIds } from "../token-ids.js";

/** `taugrad generate`: the prompt and what the model adds to it. */
export const generateCommand = async (values: Values<"generate">, out: Output): Promise<void> => {
  const { model: folder, prompt, ids: given } = values;
  if ((prompt === undefined) === (given === undefined))
    throw new InputError('taugrad generate needs one of --prompt TEXT and --ids "1,2,3"');
  const { vocabSize } = readConfig(folder);
  // A folder without a tokenizer can still continue ids; there is no text then.
  const tokenizer =
    prompt !== undefined || fileExists(join(folder, "tokenizer.json")) ? loadTokenizer(folder) : undefined;
  const start = given !== undefined ? parseIds(given, vocabSize) : promptIds(tokenizer as Tokenizer, prompt as string);
  const [ids] = await withDevice(values, out, async (device) => {
    const model = loadModel(folder, device);
    return generate(model, device, [start], {
      maxNewTokens: values.max_new_tokens,
      greedy: values.greedy,
      temperature: values.temperature,
      topP: values.top_p,
      topK: values.top_k,
      repetitionPenalty: values.repetition_penalty,
      seed: values.seed,
    });
  });
  const text = tokenizer?.decode(ids, { skipSpecialTokens: true }) ?? null;
  if (text === null) out.note(`${folder}: holds no tokenizer.json, so there is no text`);
  out.result({ ids, text }, () => text ?? ids.join(","));
};

const promptIds = (tokenizer: Tokenizer, prompt: string): number[] => {
  const ids = tokenizer.encode(prompt);
  if (ids.length === 0) throw new InputError("--prompt has no token");
  return ids;
};
