/**
 * A network of two hidden layers learns which of two spirals a point lies on, by AdamW.
 * Prints:
 *   200 of 200 points are right
 */
import * as tg from "taugrad";
import { open } from "taugrad/devices";
import { adamW, type OptimizerState } from "taugrad/optim";

type Net = { w: tg.Tensor; b: tg.Tensor }[];
const logits = (net: Net, x: tg.Tensor) =>
  net.reduce((h, { w, b }, i) => tg.add(tg.matmul(i === 0 ? h : tg.tanh(h), w), b), x);
const loss = (net: Net, x: tg.Tensor, label: tg.Tensor) => tg.mean(tg.crossEntropy(logits(net, x), label));

const angles = Array.from({ length: 200 }, (_, i) => [3 * Math.sqrt(i / 200), i % 2] as const);
const x = tg.tensor(
  angles.map(([a, side]) => [a * Math.cos(2 * a + side * Math.PI), a * Math.sin(2 * a + side * Math.PI)]),
);
const label = tg.tensor(Int32Array.from(angles, ([, side]) => side));

const device = await open("auto");
const sizes = [
  [2, 32],
  [32, 32],
  [32, 2],
] as const;
const keys = tg.split(tg.key(0), 3);
const net: Net = sizes.map(([n, m], i) => ({
  w: tg.mul(tg.normal(keys[i]!, [n, m]), 1 / Math.sqrt(n)),
  b: tg.zeros([m]),
}));
const rule = adamW({ weightDecay: 0 });
const step = tg.compile(
  (state: OptimizerState<Net>) => rule.update(state, tg.grad(loss)(state.params, x, label), { lr: 0.01 }),
  device,
  { donate: [0] },
);

let state = tg.evaluate(rule.init(net), device);
for (let t = 0; t < 300; t++) state = step(state);
const right = tg.evaluate(tg.countNonzero(tg.equal(tg.argmax(logits(state.params, x), 1), label)), device);
console.log(`${await tg.item(right)} of 200 points are right`);
tg.dispose(state);
await device.close();
