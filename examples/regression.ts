/**
 * Linear regression: the gradient of a mean of squares, and a step that is traced and planned once.
 * Prints:
 *   w 2.00 -1.00 b 0.50
 */
import * as tg from "taugrad";
import { open } from "taugrad/devices";

const x = tg.normal(tg.key(0), [64, 2]);
const y = tg.add(tg.matmul(x, tg.tensor([[2], [-1]])), 0.5);
let params = { w: tg.zeros([2, 1]), b: tg.zeros([1]) };
const loss = ({ w, b }: typeof params) => tg.mean(tg.square(tg.sub(tg.add(tg.matmul(x, w), b), y)));
const update = (at: typeof params) => tg.treeZip(([p, g]) => tg.sub(p, tg.mul(0.1, g)), at, tg.grad(loss)(at));

const device = await open("auto");
const step = tg.compile(update, device, { donate: [0] });
for (let t = 0; t < 100; t++) params = step(params);
const shown = async (t: tg.Tensor) => Array.from(await tg.read(t), (n) => n.toFixed(2)).join(" ");
console.log("w", await shown(params.w), "b", await shown(params.b));
await device.close();
