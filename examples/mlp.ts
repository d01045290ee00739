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

const spiral = (a: number, turn: number) => [a * Math.cos(2 * a + turn), a * Math.sin(2 * a + turn)];
const points = Array.from({ length: 200 }, (_, i) => spiral(3 * Math.sqrt(i / 200), (i % 2) * Math.PI));
const [x, label] = [tg.tensor(points), tg.tensor(Int32Array.from(points, (_, i) => i % 2))];
const layer = (seed: number, n: number, m: number) => ({
  w: tg.mul(tg.normal(tg.key(seed), [n, m]), 1 / Math.sqrt(n)),
  b: tg.zeros([m]),
});
const rule = adamW({ weightDecay: 0 });
const update = (state: OptimizerState<Net>) => rule.update(state, tg.grad(loss)(state.params, x, label), { lr: 0.01 });

const device = await open("auto");
const step = tg.compile(update, device, { donate: [0] });
let state = tg.evaluate(rule.init([layer(1, 2, 32), layer(2, 32, 32), layer(3, 32, 2)] as Net), device);
for (let t = 0; t < 300; t++) state = step(state);
const right = tg.countNonzero(tg.equal(tg.argmax(logits(state.params, x), 1), label));
console.log(`${await tg.item(tg.evaluate(right, device))} of 200 points are right`);
await device.close();
