/** transformers.js on onnxruntime's CPU: node transformers.mjs FOLDER IDS ROUNDS [THREADS] */
import { basename, dirname } from "node:path";
import { AutoModelForCausalLM, AutoTokenizer, env, Tensor, TextStreamer } from "@huggingface/transformers";
import { measure, NEW_TOKENS, WAYS } from "./measure.mjs";

const [, , folder, ids, rounds, threads] = process.argv;
env.allowRemoteModels = false;
env.localModelPath = `${dirname(folder)}/`;
const session_options = threads === undefined ? {} : { intraOpNumThreads: Number(threads), interOpNumThreads: 1 };

const load = async () => {
  const name = basename(folder);
  const model = await AutoModelForCausalLM.from_pretrained(name, { dtype: "fp32", device: "cpu", session_options });
  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const prompt = JSON.parse(ids);
  const long = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  return async (way, told) => {
    const streamer = new TextStreamer(tokenizer, { skip_prompt: true, callback_function: told });
    const out = await model.generate({
      ...{ input_ids: long(prompt), attention_mask: long(prompt.map(() => 1)), max_new_tokens: NEW_TOKENS },
      // No id ends a text: both engines make as many tokens.
      ...{ eos_token_id: model.config.vocab_size, streamer, ...WAYS[way].transformers },
    });
    return out.tolist()[0].map(Number);
  };
};
await measure(load, Number(rounds));
