/** The works on TensorFlow.js, its wasm backend (SIMD and threads as it finds them); eager, in tidy(). */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import {
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

const ops = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  matmul: (a, b) => tf.matMul(a, b),
  sqrt: tf.sqrt,
  relu: tf.relu,
  sigmoid: tf.sigmoid,
  softmax: (x) => tf.softmax(x),
  logSoftmax: (x) => tf.logSoftmax(x),
  sum: (x) => tf.sum(x),
  sumLast: (x) => tf.sum(x, -1, true),
  transpose: (x) => tf.transpose(x),
  permute: tf.transpose,
  reshape: tf.reshape,
  halves: (x) => tf.split(x, 2, -1),
  concatLast: (parts) => tf.concat(parts, -1),
  dropLastOf: (x, size) => tf.slice(x, [0, 0, 0], size),
};

const training = (weights, loss, { lr, weightDecay }) => {
  const names = weights.map(([name]) => name);
  let state = weights.map(([, shape, values]) => ({
    w: tf.tensor(values, shape),
    m: tf.zeros(shape),
    v: tf.zeros(shape),
  }));
  const valueAndGrads = tf.valueAndGrads((...list) =>
    loss(Object.fromEntries(names.map((name, i) => [name, list[i]]))),
  );
  let t = 0;
  return async () => {
    t += 1;
    const old = state;
    const { value, next } = tf.tidy(() => {
      const { value, grads } = valueAndGrads(old.map(({ w }) => w));
      const [c1, c2] = [1 - 0.9 ** t, 1 - 0.999 ** t];
      return { value, next: old.map((slots, i) => adamW(ops, { ...slots, g: grads[i], c1, c2 }, { lr, weightDecay })) };
    });
    state = next;
    tf.dispose(old);
    const [number] = await value.data();
    value.dispose();
    return number;
  };
};

/** The works on a backend of tfjs: each, once it is set up, a product or a training step (measure.mjs). */
export const open = async (backend = "wasm") => {
  await tf.setBackend(backend);
  await tf.ready();
  return {
    matmul: async () => {
      const [a, b] = [tf.tensor(noise(N * N, 1), [N, N]), tf.tensor(noise(N * N, 2), [N, N])];
      return {
        read: () => tf.matMul(a, b).data(),
        run: () => tf.matMul(a, b).dispose(), // computed when it returns
      };
    },
    mlp: async () => {
      const x = tf.tensor(mlpInput(), [MLP.batch, MLP.sizes[0]]);
      const targets = tf.tensor(oneHot(mlpLabels(), 10), [MLP.batch, 10]);
      const loss = (params) => mlpLoss(ops, params, x, targets);
      return training(mlpWeights(), loss, { lr: MLP.lr, weightDecay: 0 });
    },
    tiny: async () => {
      const { B, T, V, D, H, lr } = TINY;
      const ids = tinyIds();
      const [cosine, sine] = ropeTables().map((table) => tf.tensor(table, [T, D / H / 2]));
      const data = {
        hot: tf.tensor(oneHot(ids, V), [B * T, V]),
        targets: tf.tensor(oneHot(tinyTargets(ids), V), [B * (T - 1), V]),
        cosine,
        sine,
        mask: tf.tensor(
          Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e30 : 0)),
          [T, T],
        ),
      };
      const loss = (params) => tinyLoss(ops, params, data);
      return training(tinyWeights(), loss, { lr, weightDecay: 0.01 });
    },
  };
};
