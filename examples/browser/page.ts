/**
 * A page that trains a regression in its tab, on WebAssembly.
 * Shows:
 *   w 2.00 -1.00, b 0.50 on cpu
 */
import * as tg from "taugrad";
import { open } from "taugrad/devices";

type Params = { w: tg.Tensor; b: tg.Tensor };
const x = tg.normal(tg.key(0), [64, 2]);
const y = tg.add(tg.matmul(x, tg.tensor([[2], [-1]])), 0.5);
const loss = ({ w, b }: Params) => tg.mean(tg.square(tg.sub(tg.add(tg.matmul(x, w), b), y)));
const update = (params: Params) => tg.treeZip(([p, g]) => tg.sub(p, tg.mul(0.1, g)), params, tg.grad(loss)(params));

const out = document.querySelector("#out");
try {
  const device = await open("cpu"); // or "auto": the GPU, where the browser gives one
  const step = tg.compile(update, device, { donate: [0] });
  let params: Params = { w: tg.zeros([2, 1]), b: tg.zeros([1]) };
  for (let t = 0; t < 100; t++) params = step(params);
  const shown = async (t: tg.Tensor) => Array.from(await tg.read(t), (n) => n.toFixed(2)).join(" ");
  if (out) out.textContent = `w ${await shown(params.w)}, b ${await shown(params.b)} on ${device.name}`;
} catch (error) {
  if (out) out.textContent = String(error);
}
