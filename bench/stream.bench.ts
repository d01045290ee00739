/** Pointwise formulas and reductions over 2²⁴ values, 2²⁰ on software adapters: GB/s of what must be read and written. */
import assert from "node:assert/strict";
import {
  add,
  compile,
  dispose,
  evaluate,
  exp,
  key,
  mul,
  normal,
  read,
  sub,
  sum,
  type Tensor,
  tanh,
} from "../core/index.js";
import { benchDevice, drainOf, isSoftware } from "./device.js";
import { bench, type Case, inGiga } from "./suite.js";

const device = await benchDevice();
const drain = drainOf(device);
const [ROWS, COLUMNS] = isSoftware(device) ? [1024, 1024] : [4096, 4096];
const length = ROWS * COLUMNS;

interface Formula {
  readonly metric: string;
  readonly of: (x: Tensor, y: Tensor) => Tensor;
  /** out[i] in f64, from the inputs. */
  readonly define: (x: Float32Array, y: Float32Array, i: number) => number;
  /** Four-byte words read and written. */
  readonly words: number;
}

/** Σ over rows or columns, in f64. */
const total = (x: Float32Array, begin: number, step: number, count: number): number => {
  let out = 0;
  for (let k = 0; k < count; k++) out += x[begin + k * step];
  return out;
};

const formulas: readonly Formula[] = [
  { metric: "add_gbs", of: (x, y) => add(x, y), define: (x, y, i) => x[i] + y[i], words: 3 * length },
  {
    metric: "fused_pointwise_gbs",
    of: (x, y) => add(mul(sub(x, y), 0.5), mul(x, y)),
    define: (x, y, i) => (x[i] - y[i]) * 0.5 + x[i] * y[i],
    words: 3 * length,
  },
  {
    metric: "exp_tanh_gbs",
    of: (x, y) => mul(exp(x), tanh(y)),
    define: (x, y, i) => Math.exp(x[i]) * Math.tanh(y[i]),
    words: 3 * length,
  },
  { metric: "sum_all_gbs", of: (x) => sum(x), define: (x) => total(x, 0, 1, length), words: length },
  {
    metric: "sum_rows_gbs",
    of: (x) => sum(x, 1),
    define: (x, _y, i) => total(x, i * COLUMNS, 1, COLUMNS),
    words: length,
  },
  { metric: "sum_columns_gbs", of: (x) => sum(x, 0), define: (x, _y, i) => total(x, i, COLUMNS, ROWS), words: length },
];

const [x, y] = evaluate([normal(key(1), [ROWS, COLUMNS]), normal(key(2), [ROWS, COLUMNS])], device);
const [xs, ys] = [(await read(x)) as Float32Array, (await read(y)) as Float32Array];

const cases = formulas.map(({ metric, of, define, words }): Case => {
  const run = compile(of, device);
  const bytes = 4 * words;
  return {
    name: `${device.name} ${metric.replace(/_gbs$/, "")}`,
    check: async () => {
      const out = run(x, y);
      const got = await read(out);
      dispose(out);
      for (let i = 0; i < got.length; i += Math.max(1, Math.floor(got.length / 64))) {
        const want = define(xs, ys, i);
        // Sums of n standard normals are of size √n, and are rounded at most n times, most often far less.
        const tolerance = got.length < length ? 1e-2 : 4e-6 * Math.max(1, Math.abs(want));
        assert.ok(Math.abs(got[i] - want) <= tolerance, `${metric}[${i}] = ${got[i]} for ${want}`);
      }
    },
    run: async () => {
      dispose(run(x, y));
      await drain();
    },
    work: { amount: bytes, unit: "B" },
    metric: { name: metric, of: inGiga(bytes) },
  };
});

await bench(device.description, cases, device);
await device.close();
