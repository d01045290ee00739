/**
 * What a launch costs beside its work: a program of products so small that little else is in it, replayed; microseconds of
 * the calling thread a launch. On webgpu the work itself goes on elsewhere and is waited for outside of the clock.
 */
import assert from "node:assert/strict";
import { compile, dispose, evaluate, key, matmul, mul, normal, read, type Tensor, tensor } from "../core/index.js";
import { benchDevice, drainOf } from "./device.js";
import { median, report } from "./report.js";

const [LENGTH, CALLS, SIDE] = [256, 40, 4];

const device = await benchDevice();
const drain = drainOf(device);
const turn = tensor(Float32Array.from([0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0]), [SIDE, SIDE]);
const chain = compile((x: Tensor, by: Tensor) => {
  let out = x;
  for (let i = 0; i < LENGTH; i++) out = matmul(out, by);
  return mul(out, 1);
}, device);
const inputs = evaluate([normal(key(1), [SIDE, SIDE]), turn], device) as [Tensor, Tensor];

const once = () => {
  const before = device.stats().launches;
  const start = performance.now();
  const out = chain(...inputs);
  const elapsed = performance.now() - start;
  return { out, microseconds: (1000 * elapsed) / (device.stats().launches - before) };
};

const { out } = once();
// Columns turned 256 times by four: where they were.
assert.deepEqual([...(await read(out))], [...(await read(inputs[0]))]);
dispose(out);
const costs: number[] = [];
for (let i = 0; i < CALLS; i++) {
  const { out: next, microseconds } = once();
  dispose(next);
  await drain();
  costs.push(microseconds);
}
console.log(device.description);
report(device.name, "launch_us", median(costs));
await device.close();
