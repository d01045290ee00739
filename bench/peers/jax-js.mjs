/** The works on @jax-js/jax, each step one jitted function. */
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import {
  LINE,
  lineInput,
  lineTargets,
  lineWeights,
  MLP,
  mlpInput,
  mlpLabels,
  mlpWeights,
  N,
  noise,
  oneHot,
  ropeTables,
  TINY,
  tinyIds,
  tinyTargets,
  tinyWeights,
} from "./data.mjs";
import { adamW, mlpLoss, tinyLoss } from "./model.mjs";

const array = (data, shape) => np.array(data).reshape(shape);
/** jax-js takes an argument over; a shared model passes what it uses again. */
const own = (x) => (typeof x === "number" ? x : x.ref);
const binary = (f) => (a, b) => f(own(a), own(b));
const unary = (f) => (x) => f(own(x));
const ops = {
  add: binary(np.add),
  sub: binary(np.subtract),
  mul: binary(np.multiply),
  div: binary(np.divide),
  matmul: binary(np.matmul),
  sqrt: unary(np.sqrt),
  relu: unary(nn.relu),
  sigmoid: unary(nn.sigmoid),
  softmax: (x) => nn.softmax(own(x), -1),
  logSoftmax: (x) => nn.logSoftmax(own(x), -1),
  sum: unary(np.sum),
  sumLast: (x) => np.sum(own(x), -1, { keepdims: true }),
  transpose: (x) => np.transpose(own(x), [1, 0]),
  permute: (x, axes) => np.transpose(own(x), axes),
  reshape: (x, shape) => np.reshape(own(x), shape),
  halves: (x) => np.split(own(x), 2, -1),
  concatLast: (parts) => np.concatenate(parts.map(own), -1),
  dropLastOf: (x, [, rows]) => own(x).slice([], [0, rows]),
};

/**
 * A jitted training step of a loss over named weights. A step waits for its loss alone, as a user would: what is queued
 * behind that is waited for by the next step, and asking for every weight costs this engine a copy for each.
 */
const training = (weights, loss, data, { lr, weightDecay }) => {
  const names = weights.map(([name]) => name);
  const update = jit((params, m, v, given, c1, c2) => {
    const [value, grads] = valueAndGrad((p) => loss(p, given))(tree.ref(params));
    const next = { params: {}, m: {}, v: {} };
    for (const name of names) {
      const out = adamW(ops, { w: params[name], m: m[name], v: v[name], g: grads[name], c1, c2 }, { lr, weightDecay });
      next.params[name] = out.w;
      next.m[name] = out.m;
      next.v[name] = out.v;
    }
    return [value, next];
  });
  const fresh = () => Object.fromEntries(weights.map(([name, shape]) => [name, np.zeros(shape)]));
  let state = {
    params: Object.fromEntries(weights.map(([name, shape, values]) => [name, array(values, shape)])),
    m: fresh(),
    v: fresh(),
  };
  let t = 0;
  return async () => {
    t += 1;
    const [c1, c2] = [np.array(1 - 0.9 ** t), np.array(1 - 0.999 ** t)];
    const [value, next] = update(state.params, state.m, state.v, tree.ref(data), c1, c2);
    state = next;
    return (await value.data())[0];
  };
};

/** The works on a backend of jax-js: each, once it is set up, a product or a training step (measure.mjs). */
export const open = async (backend = "wasm") => {
  await init(backend);
  defaultDevice(backend);
  return {
    matmul: async () => {
      const [a, b] = [array(noise(N * N, 1), [N, N]), array(noise(N * N, 2), [N, N])];
      const product = () => np.matmul(a.ref, b.ref);
      return {
        read: () => product().data(),
        run: async () => {
          const out = product();
          await blockUntilReady(out);
          out.dispose();
        },
      };
    },
    regression: async () => {
      const data = { x: array(lineInput(), [LINE.rows, LINE.inputs]), y: array(lineTargets(), [LINE.rows, 1]) };
      const loss = ({ w, b }, { x, y }) => {
        const miss = ops.sub(ops.add(ops.matmul(x, w), b), y);
        return ops.mul(ops.sum(ops.mul(miss, miss)), 1 / LINE.rows);
      };
      return training(lineWeights(), loss, data, { lr: LINE.lr, weightDecay: 0 });
    },
    mlp: async () => {
      const data = {
        x: array(mlpInput(), [MLP.batch, MLP.sizes[0]]),
        targets: array(oneHot(mlpLabels(), 10), [MLP.batch, 10]),
      };
      const loss = (params, { x, targets }) => mlpLoss(ops, params, x, targets);
      return training(mlpWeights(), loss, data, { lr: MLP.lr, weightDecay: 0 });
    },
    tiny: async () => {
      const { B, T, V, D, H, lr } = TINY;
      const ids = tinyIds();
      const [cosine, sine] = ropeTables();
      const data = {
        hot: array(oneHot(ids, V), [B * T, V]),
        targets: array(oneHot(tinyTargets(ids), V), [B * (T - 1), V]),
        cosine: array(cosine, [T, D / H / 2]),
        sine: array(sine, [T, D / H / 2]),
        mask: array(
          Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e30 : 0)),
          [T, T],
        ),
      };
      const loss = (params, given) => tinyLoss(ops, params, given);
      return training(tinyWeights(), loss, data, { lr, weightDecay: 0.01 });
    },
  };
};
