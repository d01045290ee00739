/**
 * Tokens of one conversation: stories260K's shape (its weights, where they lie beside the checkout), 200 new tokens; tokens a
 * second, and milliseconds to the first token of a generator that has built nothing. bench/peers/decode puts transformers.js
 * beside.
 */
import assert from "node:assert/strict";
import { dispose, evaluate, key } from "../core/index.js";
import { type GenerateOptions, generator, initParams, loadModel, parseConfig } from "../models/index.js";
import { besideCheckout } from "../props/golden/files.js";
import { benchDevice, isSoftware } from "./device.js";
import { median, report } from "./report.js";

const device = await benchDevice();
const NEW = isSoftware(device) ? 20 : 200;
const PROMPT = [1, 403, 407, 261, 378];

const folder = besideCheckout("models", "stories260K");
const sketch = () => {
  const config = parseConfig({
    ...{ model_type: "llama", hidden_size: 64, intermediate_size: 172, num_hidden_layers: 5, num_attention_heads: 8 },
    ...{ num_key_value_heads: 4, vocab_size: 512, max_position_embeddings: 512, tie_word_embeddings: true },
  });
  return { config, params: evaluate(initParams(config, key(0)), device) };
};
const { config, params } = folder === undefined ? sketch() : loadModel(folder, device);
const go = generator(config, device);

/** Seconds of a continuation, and to its first token. */
const time = async (options: Partial<GenerateOptions>): Promise<{ all: number; first: number }> => {
  const before = performance.now();
  let [count, first] = [0, 0];
  for await (const _ of go.stream(params, PROMPT, { maxNewTokens: NEW, eosIds: [], ...options }))
    if (count++ === 0) first = performance.now() - before;
  assert.equal(count, NEW);
  return { all: (performance.now() - before) / 1e3, first };
};

console.log(device.description);
report(device.name, "decode_first_token_ms", (await time({ greedy: true })).first);
const ways = { greedy: { greedy: true }, top_k: { topK: 50 }, top_p: { topP: 0.9 } };
for (const [name, options] of Object.entries(ways)) {
  const rates: number[] = [];
  for (let i = 0; i < (isSoftware(device) ? 3 : 15); i++) rates.push(NEW / (await time(options)).all);
  report(device.name, `decode_${name}_tokens_s`, median(rates));
}
go.free();
dispose(params);
await device.close();
