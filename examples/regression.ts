/**
 * Linear regression: the gradient of a mean of squares, and a step that is traced and planned once.
 * Prints:
 *   w 2.00 -1.00
 *   b 0.50
 */
import * as tg from "taugrad";
import { open } from "taugrad/devices";

const loss = ({ w, b }: { w: tg.Tensor; b: tg.Tensor }, x: tg.Tensor, y: tg.Tensor) =>
  tg.mean(tg.square(tg.sub(tg.add(tg.matmul(x, w), b), y)));

const device = await open("auto");
const x = tg.normal(tg.key(0), [64, 2]);
const y = tg.add(tg.matmul(x, tg.tensor([[2], [-1]])), 0.5);

const step = tg.compile(
  (params: { w: tg.Tensor; b: tg.Tensor }) =>
    tg.treeZip(([p, g]) => tg.sub(p, tg.mul(0.1, g)), params, tg.grad(loss)(params, x, y)),
  device,
  { donate: [0] },
);

let params = { w: tg.tensor([[0], [0]]), b: tg.tensor([0]) };
for (let t = 0; t < 100; t++) params = step(params);
const shown = async (x: tg.Tensor) => Array.from(await tg.read(x), (n) => n.toFixed(2)).join(" ");
console.log("w", await shown(params.w));
console.log("b", await shown(params.b));
tg.dispose(params);
await device.close();
