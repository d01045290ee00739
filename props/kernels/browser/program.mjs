/** What runs alike in Node and in a browser, from the built package: numbers of a device, each as the hash of its bits. */
import * as tg from "taugrad";
import { open } from "taugrad/devices";
import { hiddenStates, initParams, parseConfig, targetScores } from "taugrad/models";
import { adamW, onDare, schedule } from "taugrad/optim";

const hash = (numbers) => {
  let h = 0x811c9dc5;
  for (const byte of new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength))
    h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return `${numbers.length}:${h.toString(16)}`;
};
const x = () => tg.normal(tg.key(1), [33, 65]);
const loss = ({ w, b }, of, to) => tg.mean(tg.square(tg.sub(tg.add(tg.matmul(of, w), b), to)));

/** Programs of no arguments. The product has enough blocks for several threads. */
const programs = {
  bits: () => tg.uniform(tg.key(7), [1001]),
  pointwise: () => tg.add(tg.exp(tg.tanh(x())), tg.div(tg.sin(x()), 3)),
  softmax: () => tg.softmax(x()),
  reduce: () => tg.sum(x(), 0),
  product: () => tg.matmul(tg.normal(tg.key(2), [256, 300]), tg.normal(tg.key(3), [300, 520])),
  gather: () => tg.gather(x(), tg.tensor([4, 0, 40, 32], [4], "i32")),
  gradient: () => tg.grad((y) => tg.sum(tg.square(tg.softmax(tg.matmul(y, tg.transpose(y))))))(x()),
};

/** Weights of a regression after thirty steps. */
const regression = async (device) => {
  const rule = adamW();
  const step = tg.compile((state) => {
    const of = tg.normal(tg.key(0), [64, 2]);
    const to = tg.add(tg.matmul(of, tg.tensor([[2], [-1]])), 0.5);
    return rule.update(state, tg.grad(loss)(state.params, of, to), { lr: 0.1 });
  }, device);
  let state = rule.init({ w: tg.zeros([2, 1]), b: tg.zeros([1]) });
  for (let t = 0; t < 30; t++) state = step(state);
  return tg.read(state.params.w);
};

/** First weights of an MLP with a layer of every curved function after eight steps, whose rate falls as a cosine. */
const mlp = async (device) => {
  const rule = adamW({ weightDecay: 0.01 });
  const rate = schedule({ name: "cosine", warmupSteps: 2, totalSteps: 8 });
  const curves = [tg.tanh, tg.erf, tg.softplus, tg.silu, tg.sin, tg.atan, (x) => tg.log1p(tg.expm1(tg.square(x)))];
  const score = (params, x, labels) => {
    const h = curves.reduce((y, f, i) => f(tg.add(tg.matmul(y, params[`w${i}`]), params[`b${i}`])), x);
    return tg.mean(tg.crossEntropy(h, labels));
  };
  const step = tg.compile(
    (state, x, labels, lr) => rule.update(state, tg.grad(score)(state.params, x, labels), { lr }),
    device,
  );
  const width = 48;
  const weights = curves.flatMap((_, i) => [
    [`w${i}`, tg.mul(tg.normal(tg.key(20 + i), [width, width]), 1 / Math.sqrt(width))],
    [`b${i}`, tg.zeros([width])],
  ]);
  let state = tg.evaluate(rule.init(Object.fromEntries(weights)), device);
  const labels = tg.tensor(
    Array.from({ length: 96 }, (_, i) => (i * 7) % width),
    [96],
    "i32",
  );
  const x = tg.evaluate(tg.normal(tg.key(40), [96, width]), device);
  for (let t = 0; t < 8; t++) state = step(state, x, labels, 0.01 * rate(t));
  return tg.read(state.params.w0);
};

/** Embeddings of a small Qwen2 after four steps of OnDARE towards other weights. */
const transformer = async (device) => {
  const config = parseConfig({
    ...{ model_type: "qwen2", hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64 },
    ...{ vocab_size: 64, tie_word_embeddings: true, max_position_embeddings: 64, rope_theta: 12345 },
  });
  const table = "model.embed_tokens.weight";
  const score = (params, ids) => {
    const hidden = tg.reshape(tg.sliceAxis(hiddenStates(params, config, ids), 1, 0, 23), [2 * 23, 32]);
    return tg.neg(tg.mean(targetScores(hidden, params[table], tg.reshape(tg.sliceAxis(ids, 1, 1, 24), [2 * 23]))));
  };
  const params = tg.evaluate(initParams(config, tg.key(5)), device);
  const rule = onDare({ reserveP: 0.5, alpha: 1e-3 });
  const step = tg.compile(
    (state, ids, tau, lr) => rule.update(state, tg.grad(score)(state.params, ids), { lr, tau }),
    device,
  );
  let state = rule.init(params, { seed: 9 });
  const delta = tg.treeMap((w) => tg.mul(w, 0.01), initParams(config, tg.key(6)));
  const tau = tg.evaluate(rule.prepare(delta, state.key), device);
  for (let t = 0; t < 4; t++)
    state = step(
      state,
      tg.tensor(
        Array.from({ length: 48 }, (_, i) => (i * (t + 3)) % 64),
        [2, 24],
        "i32",
      ),
      tau,
      1e-2,
    );
  return tg.read(state.params[table]);
};

const trainings = { regression, mlp, transformer };
/** Names of all that there is. */
export const TITLES = [...Object.keys(programs), ...Object.keys(trainings)];

/** Hashes by name on this device, of some programs and trainings or of all, and what it is. */
export const numbersOf = async (name, titles = TITLES, options = {}) => {
  const device = await open(name, options);
  const found = {};
  for (const title of titles) {
    if (Object.hasOwn(trainings, title)) {
      found[title] = hash(await trainings[title](device));
      continue;
    }
    const compiled = tg.compile(programs[title], device);
    for (const round of name === "reference" ? [""] : ["", " again"]) {
      found[title + round] = hash(await tg.read(compiled()));
      await new Promise((then) => setTimeout(then)); // workers start where a page comes to rest
    }
  }
  const { description, bits } = device;
  await device.close();
  return { description, bits, found };
};
