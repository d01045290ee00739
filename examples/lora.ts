/**
 * LoRA: a model that stays as it is learns a second song by two thin matrices beside each of its own.
 * Prints:
 *   2176 of 13536 numbers are trained
 *   loss 3.5, then 0.1
 *   with the factors merged into the weights 0.1
 */
import * as tg from "taugrad";
import { scoreTokens } from "taugrad/align";
import { open } from "taugrad/devices";
import { initLora, initParams, mergeLora, type Params, parseConfig, withLora } from "taugrad/models";
import { adamW, type OptimizerState } from "taugrad/optim";

const sizes = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, vocab_size: 16 };
const rest = { max_position_embeddings: 32, rms_norm_eps: 1e-5, tie_word_embeddings: false };
const config = parseConfig({ model_type: "llama", ...sizes, ...rest }, "a small model");
const options = { rank: 4, alpha: 8 };
const ids = tg.tensor([[0, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9]], undefined, "i32");
const loss = (params: Params) => tg.div(tg.neg(tg.sum(scoreTokens(params, config, ids, tg.arange(15)).logps)), 15);

const device = await open("auto");
const base = tg.evaluate(initParams(config, tg.key(0)), device);
const adapted = (factors: Params) => loss(withLora(base, factors, config, options));
const rule = adamW({ weightDecay: 0 });
const update = (state: OptimizerState<Params>) => rule.update(state, tg.grad(adapted)(state.params), { lr: 0.02 });
const step = tg.compile(update, device, { donate: [0] });

let state = tg.evaluate(rule.init(initLora(config, tg.key(1), options)), device);
const count = (params: Params) => tg.leaves(params).reduce((n, { shape }) => n + tg.sizeOf(shape), 0);
console.log(`${count(state.params)} of ${count(base) + count(state.params)} numbers are trained`);
for (let t = 0; t < 100; t++) state = step(state);
const shown = async (value: tg.Tensor) => (await tg.item(tg.evaluate(value, device))).toFixed(1);
console.log(`loss ${await shown(loss(base))}, then ${await shown(adapted(state.params))}`);
const merged = mergeLora(base, state.params, config, options);
console.log(`with the factors merged into the weights ${await shown(loss(merged))}`);
await device.close();
