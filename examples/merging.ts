/**
 * Merging offline, and the mean square errors of it: two models that were trained apart from one base are joined without training. Each learned one of two tasks;
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
// A task: what to make of two of four features, the others being silent.
const task = (seed: number, before: number, answer: number[][]) => {
  const x = tg.normal(tg.key(seed), [64, 2]);
  const y = tg.matmul(x, tg.tensor(answer));
  return (w: tg.Tensor) =>
    tg.mean(
      tg.square(
        tg.sub(
          tg.matmul(
            tg.pad(x, [
              [0, 0],
              [before, 2 - before],
            ]),
            w,
          ),
          y,
        ),
      ),
    );
};
const [a, b] = [task(1, 0, [[1], [2]]), task(2, 2, [[2], [-1]])];

const trained = (loss: (w: tg.Tensor) => tg.Tensor, w: tg.Tensor): tg.Tensor => {
  const step = tg.compile((w: tg.Tensor) => tg.sub(w, tg.mul(0.2, tg.grad(loss)(w))), device);
  for (let t = 0; t < 50; t++) w = step(w);
  return w;
};
const base = tg.zeros([4, 1]);
const parts = [trained(a, base), trained(b, base)];
const merge = (method: MergeMethod, density: number) =>
  mergeTensors(
    parts.map((t) => ({ tensor: t, weight: 1, density })),
    base,
    { method, key: tg.key(3) },
  );

console.log("model                on a  on b");
const models: [string, tg.Tensor][] = [
  ["base", base],
  ["a", parts[0]!],
  ["b", parts[1]!],
  ["linear", merge("linear", 1)],
  ["task_arithmetic", merge("task_arithmetic", 1)],
  ["ties", merge("ties", 0.5)],
  ["dare_linear", merge("dare_linear", 0.75)],
];
for (const [name, w] of models) {
  const errors = [...(await tg.read(tg.evaluate(tg.stack([a(w), b(w)]), device)))];
  console.log(name.padEnd(16), ...errors.map((e) => e.toFixed(2).padStart(5)));
}
await device.close();
