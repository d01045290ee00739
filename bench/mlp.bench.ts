/** The MLP step: 784-512-256-10 with relu, batch 128, cross-entropy, Adam; milliseconds. */
import assert from "node:assert/strict";
import {
  add,
  compile,
  crossEntropy,
  type Device,
  dispose,
  evaluate,
  key,
  matmul,
  maximum,
  mean,
  mul,
  normal,
  read,
  split,
  type Tensor,
  tensor,
  valueAndGrad,
  zeros,
} from "../core/index.js";
import { open } from "../kernels/index.js";
import { adam, type OptimizerState, optimizer } from "../optim/index.js";
import { benchDevice } from "./device.js";
import { bench, inMilliseconds } from "./suite.js";

const SIZES = [784, 512, 256, 10];
const BATCH = 128;
const LR = 1e-3;

type Layer = { readonly w: Tensor; readonly b: Tensor };
type Net = { readonly [layer: string]: Layer };

const rule = optimizer(adam());

const net = (): Net =>
  Object.fromEntries(
    SIZES.slice(1).map((to, i) => {
      const from = SIZES[i];
      const w = mul(normal(split(key(7), SIZES.length)[i], [from, to]), Math.sqrt(2 / from));
      return [`layer${i}`, { w, b: zeros([to]) }];
    }),
  );

const loss = (params: Net, x: Tensor, labels: Tensor): Tensor => {
  const layers = Object.values(params);
  const logits = layers.reduce((h, { w, b }, i) => {
    const out = add(matmul(h, w), b);
    return i < layers.length - 1 ? maximum(out, 0) : out;
  }, x);
  return mean(crossEntropy(logits, labels));
};

const stepOn = (device: Device) =>
  compile(
    (state: OptimizerState<Net>, x: Tensor, labels: Tensor, lr: Tensor) => {
      const [value, grads] = valueAndGrad(loss)(state.params, x, labels);
      return { loss: value, state: rule.update(state, grads, { lr }) };
    },
    device,
    { donate: [0], name: "mlp step" },
  );

/** A network in training on a device: every call of `step` takes one, and gives the loss before it. */
const training = (device: Device) => {
  const step = stepOn(device);
  let state = evaluate(rule.init(net()), device);
  const x = evaluate(normal(key(3), [BATCH, SIZES[0]]), device);
  const labels = evaluate(
    tensor(
      Int32Array.from({ length: BATCH }, (_, i) => i % 10),
      [BATCH],
    ),
    device,
  );
  return async (): Promise<number> => {
    const out = step(state, x, labels, LR);
    state = out.state;
    const [value] = await read(out.loss);
    dispose(out.loss);
    return value;
  };
};

const device = await benchDevice();
const step = training(device);

await bench(
  device.description,
  [
    {
      name: `${device.name} mlp step`,
      check: async () => {
        const exact = await open("reference");
        const exactly = training(exact);
        for (let i = 0; i < 3; i++) {
          const [got, want] = [await step(), await exactly()];
          assert.ok(Math.abs(got - want) < 1e-4 * want, `loss ${i} is ${got}, on the reference ${want}`);
        }
        await exact.close();
        for (let i = 0; i < 20; i++) await step();
        assert.ok((await step()) < 0.5, "twenty steps learn most of 128 labels by heart");
      },
      run: step,
      metric: { name: "mlp_step_ms", of: inMilliseconds },
    },
  ],
  device,
);
await device.close();
