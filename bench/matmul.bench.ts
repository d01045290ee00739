/** Square products, f32: correct first (against f64 sums of a few entries), then GFLOP/s. */
import assert from "node:assert/strict";
import { compile, dispose, evaluate, key, matmul, normal, read, type Tensor } from "../core/index.js";
import { fastDevices } from "./devices.js";
import { bench, type Case } from "./suite.js";

for (const device of await fastDevices()) {
  const product = compile((a: Tensor, b: Tensor) => matmul(a, b), device);
  const cases = [256, 512, 1024].map((n): Case => {
    const [a, b] = evaluate([normal(key(1), [n, n]), normal(key(2), [n, n])], device);
    const once = async () => {
      const out = product(a, b);
      const data = await read(out);
      dispose(out);
      return data;
    };
    return {
      name: `${device.name} matmul ${n}`,
      check: async () => {
        const [x, y, out] = [await read(a), await read(b), await once()];
        for (const [i, j] of [
          [0, 0],
          [n - 1, 0],
          [3, n - 1],
          [n >> 1, n >> 1],
        ]) {
          let want = 0;
          for (let k = 0; k < n; k++) want += x[i * n + k] * y[k * n + j];
          assert.ok(Math.abs(out[i * n + j] - want) < 1e-5 * n, `[${i},${j}] ${out[i * n + j]} for ${want}`);
        }
      },
      run: once,
      work: { amount: 2 * n ** 3, unit: "FLOP" },
    };
  });
  await bench(device.description, cases);
  await device.close();
}
