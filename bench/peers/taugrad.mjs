/** The works on taugrad, from the built package, as a user writes them. */
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
  TINY,
  tinyIds,
  tinyWeights,
} from "./data.mjs";

/** A subpath of the built package. */
const built = (subpath) => import(new URL(`../../dist/${subpath}.js`, import.meta.url).href);
const {
  add,
  compile,
  crossEntropy,
  dispose,
  evaluate,
  matmul,
  maximum,
  mean,
  neg,
  read,
  reshape,
  sliceAxis,
  square,
  sub,
  tensor,
  upload,
  valueAndGrad,
} = await built("index");
const devices = await built("devices");
const { hiddenStates, parseConfig, targetScores } = await built("models");
const { adamW } = await built("optim");

/** A compiled training step of a loss over named weights; what it gives waits for the whole step. */
const training = (device, weights, loss, data, { lr, weightDecay }) => {
  const rule = adamW({ weightDecay });
  const params = Object.fromEntries(weights.map(([name, shape, values]) => [name, tensor(values, shape)]));
  const step = compile(
    (state, given, rate) => {
      const [value, grads] = valueAndGrad((p) => loss(p, given))(state.params);
      return { value, state: rule.update(state, grads, { lr: rate }) };
    },
    device,
    { donate: [0] },
  );
  let state = evaluate(rule.init(params), device);
  return async () => {
    const out = step(state, data, lr);
    state = out.state;
    const [value] = await read(out.value);
    dispose(out.value);
    return value;
  };
};

/** The works on a device of taugrad's: each, once it is set up, a product or a training step (measure.mjs). */
export const open = async (name = "cpu") => {
  const device = await devices.open(name);
  const onDevice = (data, shape) => upload(tensor(data, shape), device);
  return {
    matmul: async () => {
      const [a, b] = [onDevice(noise(N * N, 1), [N, N]), onDevice(noise(N * N, 2), [N, N])];
      const product = compile((x, y) => matmul(x, y), device);
      const marker = onDevice(new Float32Array(1), [1]);
      return {
        read: () => read(product(a, b)),
        run: async () => {
          dispose(product(a, b));
          await read(marker); // after all that was asked for
        },
      };
    },
    regression: async () => {
      const data = { x: onDevice(lineInput(), [LINE.rows, LINE.inputs]), y: onDevice(lineTargets(), [LINE.rows, 1]) };
      const loss = ({ w, b }, { x, y }) => mean(square(sub(add(matmul(x, w), b), y)));
      return training(device, lineWeights(), loss, data, { lr: LINE.lr, weightDecay: 0 });
    },
    mlp: async () => {
      const last = MLP.sizes.length - 2;
      const loss = (params, { x, labels }) => {
        let h = x;
        for (let i = 0; i <= last; i++) {
          const out = add(matmul(h, params[`w${i}`]), params[`b${i}`]);
          h = i < last ? maximum(out, 0) : out;
        }
        return mean(crossEntropy(h, labels));
      };
      const data = { x: onDevice(mlpInput(), [MLP.batch, MLP.sizes[0]]), labels: onDevice(mlpLabels(), [MLP.batch]) };
      return training(device, mlpWeights(), loss, data, { lr: MLP.lr, weightDecay: 0 });
    },
    tiny: async () => {
      const { B, T, V, D, H, F, layers, eps, theta, lr } = TINY;
      const config = parseConfig({
        model_type: "qwen2",
        hidden_size: D,
        num_hidden_layers: layers,
        num_attention_heads: H,
        intermediate_size: F,
        vocab_size: V,
        tie_word_embeddings: true,
        rms_norm_eps: eps,
        rope_theta: theta,
        max_position_embeddings: T,
      });
      const [before, target] = [
        (x) => reshape(sliceAxis(x, 1, 0, T - 1), [B * (T - 1), D]),
        (ids) => reshape(sliceAxis(ids, 1, 1, T), [B * (T - 1)]),
      ];
      const loss = (params, { ids }) => {
        const hidden = before(hiddenStates(params, config, ids));
        return neg(mean(targetScores(hidden, params["model.embed_tokens.weight"], target(ids))));
      };
      const data = { ids: onDevice(tinyIds(), [B, T]) };
      return training(device, tinyWeights(), loss, data, { lr, weightDecay: 0.01 });
    },
  };
};
