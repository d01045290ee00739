/** Square products, f32: correct first (against f64 sums of a few entries), then GFLOP/s. */
import assert from "node:assert/strict";
import { compile, dispose, evaluate, key, matmul, normal, read, type Tensor } from "../core/index.js";
import { benchDevice, drainOf, isSoftware } from "./device.js";
import { bench, type Case, inGiga } from "./suite.js";

const device = await benchDevice();
const drain = drainOf(device);
const product = compile((a: Tensor, b: Tensor) => matmul(a, b), device);

const cases = (isSoftware(device) ? [256, 512, 1024] : [256, 512, 1024, 2048]).map((n): Case => {
  const [a, b] = evaluate([normal(key(1), [n, n]), normal(key(2), [n, n])], device);
  const flops = 2 * n ** 3;
  return {
    name: `${device.name} matmul ${n}`,
    check: async () => {
      const out = product(a, b);
      const [x, y, z] = [await read(a), await read(b), await read(out)];
      dispose(out);
      for (const [i, j] of [
        [0, 0],
        [n - 1, 0],
        [3, n - 1],
        [n >> 1, n >> 1],
        [n - 7, 5],
      ]) {
        let want = 0;
        for (let k = 0; k < n; k++) want += x[i * n + k] * y[k * n + j];
        assert.ok(Math.abs(z[i * n + j] - want) < 1e-5 * n, `[${i},${j}] ${z[i * n + j]} for ${want}`);
      }
    },
    run: async () => {
      dispose(product(a, b));
      await drain();
    },
    work: { amount: flops, unit: "FLOP" },
    metric: { name: `matmul_${n}_gflops`, of: inGiga(flops) },
  };
});

await bench(device.description, cases, device);
await device.close();
