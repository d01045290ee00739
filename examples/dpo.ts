/**
 * Direct preference optimization by hand: −log σ(β(Δ chosen − Δ rejected)), Δ how much likelier than to the reference
 * (Rafailov et al. 2023). Four pairs of answers to one prompt; the chosen ones count up, the rejected ones down.
 * Prints:
 *   loss 0.693, then 0.002
 *   4 of 4 pairs are ranked as asked
 */
import * as tg from "taugrad";
import { scoreTokens } from "taugrad/align";
import { open } from "taugrad/devices";
import { initParams, type Params, parseConfig } from "taugrad/models";
import { adamW, type OptimizerState } from "taugrad/optim";

const sizes = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, vocab_size: 16 };
const rest = { max_position_embeddings: 32, rms_norm_eps: 1e-5, tie_word_embeddings: true };
const config = parseConfig({ model_type: "llama", ...sizes, ...rest }, "a small model");
const up = [2, 3, 4, 5].map((n) => [0, 1, n, n + 1, n + 2, n + 3]);
const down = [2, 3, 4, 5].map((n) => [0, 1, n + 3, n + 2, n + 1, n]);
const ids = tg.tensor(Int32Array.from([...up, ...down].flat()), [8, 6]);
const answers = tg.tensor(Int32Array.from({ length: 32 }, (_, i) => 6 * Math.floor(i / 4) + 1 + (i % 4))); // what predicts them
const logps = (params: Params) => scoreTokens(params, config, ids, answers).logps; // [8]: chosen, then rejected

const device = await open("auto");
const policy = tg.evaluate(initParams(config, tg.key(0)), device);
const reference = tg.evaluate(logps(policy), device);
const margins = (params: Params): tg.Tensor => {
  const gain = tg.sub(logps(params), reference);
  return tg.sub(tg.sliceAxis(gain, 0, 0, 4), tg.sliceAxis(gain, 0, 4, 8));
};
const loss = (params: Params) => tg.mean(tg.neg(tg.logSigmoid(tg.mul(0.1, margins(params)))));

const rule = adamW({ weightDecay: 0 });
const update = (state: OptimizerState<Params>) => rule.update(state, tg.grad(loss)(state.params), { lr: 0.01 });
const step = tg.compile(update, device, { donate: [0] });
let state = tg.evaluate(rule.init(policy), device);
for (let t = 0; t < 60; t++) state = step(state);
const shown = async (params: Params) => (await tg.item(tg.evaluate(loss(params), device))).toFixed(3);
console.log(`loss ${await shown(policy)}, then ${await shown(state.params)}`);
const ranked = (await tg.read(tg.evaluate(margins(state.params), device))).filter((margin) => margin > 0);
console.log(`${ranked.length} of 4 pairs are ranked as asked`);
await device.close();
