/**
 * Merging offline: two models that were trained apart from one base are joined without training. Each learned one of two tasks;
 * task arithmetic adds what both have learned, TIES lets signs vote over the largest, DARE keeps a random part and rescales it.
 * Prints:
 *   model                on a  on b
 *   base              5.83  3.56
 *   a                 0.00  3.56
 *   b                 5.83  0.00
 *   linear            1.46  0.89
 *   task_arithmetic   0.00  0.00
 *   ties              0.00  0.00
 *   dare_linear       0.00  0.00
 */
import * as tg from "taugrad";
import { open } from "taugrad/devices";
import { type MergeMethod, mergeTensors } from "taugrad/optim";

const device = await open("auto");
/** What to make of two of four features, the others being silent. */
const task = (seed: number, before: number, answer: number[][]) => {
  const x = tg.normal(tg.key(seed), [64, 2]);
  const y = tg.matmul(x, tg.tensor(answer));
  const wide = tg.padAxis(x, 1, before, 2 - before);
  return (w: tg.Tensor) => tg.mean(tg.square(tg.sub(tg.matmul(wide, w), y)));
};
const [a, b] = [task(1, 0, [[1], [2]]), task(2, 2, [[2], [-1]])];

const trained = (loss: (w: tg.Tensor) => tg.Tensor, w: tg.Tensor): tg.Tensor => {
  const step = tg.compile((w: tg.Tensor) => tg.sub(w, tg.mul(0.2, tg.grad(loss)(w))), device);
  for (let t = 0; t < 50; t++) w = step(w);
  return w;
};
const base = tg.zeros([4, 1]);
const parts = [trained(a, base), trained(b, base)] as const;
const merge = (method: MergeMethod, density = 1) => {
  const sources = parts.map((tensor) => ({ tensor, weight: 1, density }));
  return mergeTensors(sources, base, { method, key: tg.key(3) });
};

const models = { base, a: parts[0], b: parts[1], linear: merge("linear"), task_arithmetic: merge("task_arithmetic") };
const all = { ...models, ties: merge("ties", 0.5), dare_linear: merge("dare_linear", 0.75) };
console.log("model                on a  on b");
for (const [name, w] of Object.entries(all)) {
  const errors = Array.from(await tg.read(tg.evaluate(tg.stack([a(w), b(w)]), device)), (e) =>
    e.toFixed(2).padStart(5),
  );
  console.log(name.padEnd(16), ...errors);
}
await device.close();
