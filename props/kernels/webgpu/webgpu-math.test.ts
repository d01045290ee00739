import assert from "node:assert/strict";
import {
  atan,
  cast,
  cos,
  erf,
  erfOf,
  exp,
  expm1,
  log,
  log1p,
  maximum,
  minimum,
  round,
  rsqrt,
  sigmoid,
  sin,
  softplus,
  sqrt,
  type Tensor,
  tanh,
  tensor,
} from "../../../core/index.js";
import { run } from "../../close.js";
import { hash } from "../../generators/generators.js";
import { webgpuCheck } from "./webgpu-variants.js";

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Numbers over the whole range: any bits (finite), any size near 0 … 100, and the corners. */
const samples = (): Float32Array => {
  const corners = [
    0, -0, 1, -1, 0.5, 2, 0.625, 0.9277, 88.7, -87.3, 104, -104, 3.4028234e38, -3.4028234e38, 1.1754944e-38,
  ];
  const numbers = corners.map(Math.fround);
  for (let i = 0; numbers.length < 6000; i++) {
    word[0] = hash(1, i);
    if (Math.abs(float[0]) >= 2 ** -126 && Number.isFinite(float[0])) numbers.push(float[0]);
    numbers.push(Math.fround(hash(2, i) / 2 ** 31 - 1), Math.fround((hash(3, i) / 2 ** 31 - 1) * 100));
  }
  return Float32Array.from(numbers);
};

/** Distance of neighbouring f32 at x; a denormal result may be flushed to 0. */
const ulp = (x: number): number => Math.max(2 ** (Math.floor(Math.log2(Math.abs(x) || 1e-45)) - 23), 2 ** -126);

interface Case {
  readonly op: (x: Tensor) => Tensor;
  readonly define: (x: number) => number;
  readonly ulps?: number;
  readonly absolute?: number;
  readonly from?: number;
}

const halfEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

const CASES: Record<string, Case> = {
  exp: { op: exp, define: Math.exp, ulps: 2 },
  log: { op: log, define: Math.log, ulps: 3, from: 0 },
  log1p: { op: log1p, define: Math.log1p, ulps: 4, from: -1 },
  expm1: { op: expm1, define: Math.expm1, ulps: 5 },
  atan: { op: atan, define: Math.atan, ulps: 4 },
  round: { op: round, define: halfEven, ulps: 0 },
  tanh: { op: tanh, define: Math.tanh, ulps: 4 },
  erf: { op: erf, define: erfOf, ulps: 4 },
  sigmoid: { op: sigmoid, define: (x) => 1 / (1 + Math.exp(-x)), ulps: 4 },
  softplus: { op: softplus, define: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), ulps: 4 },
  sin: { op: sin, define: Math.sin, absolute: 2e-7 },
  cos: { op: cos, define: Math.cos, absolute: 2e-7 },
  sqrt: { op: sqrt, define: Math.sqrt, ulps: 3, from: 0 },
  rsqrt: { op: rsqrt, define: (x) => 1 / Math.sqrt(x), ulps: 3, from: 2 ** -126 },
};

for (const [name, { op, define, ulps = 0, absolute = 0, from = Number.NEGATIVE_INFINITY }] of Object.entries(CASES))
  webgpuCheck(
    `${name} lies within ${absolute || `${ulps} ulp`} of f64 over the whole range`,
    async (device) => {
      const xs = samples().filter((x) => x >= from);
      const [got] = await run((x: Tensor) => op(x), [tensor(xs)], device);
      xs.forEach((x, i) => {
        const want = Math.fround(define(x));
        const room = Number.isFinite(want) ? Math.max(absolute, ulps * ulp(want)) : 0;
        assert.ok(got[i] === want || Math.abs(got[i] - define(x)) <= room, `${name}(${x}) = ${got[i]}, not ${want}`);
      });
    },
    ["cpu"],
  ); // one text for both

webgpuCheck("infinities and NaN come out as in core", async (device) => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const xs = tensor(new Float32Array([inf, -inf, nan, 1]));
  const ys = tensor(new Float32Array([1, nan, 2, nan]));
  const results = await run(
    (x: Tensor, y: Tensor) => [exp(x), log(x), maximum(x, y), minimum(x, y), tanh(x), sigmoid(x), cast(x, "i32")],
    [xs, ys],
    device,
  );
  assert.deepEqual(
    results.map((data) => [...data].map(Math.fround)),
    [
      [inf, 0, nan, Math.fround(Math.E)],
      [inf, nan, nan, 0],
      [inf, nan, nan, nan],
      [1, nan, nan, nan],
      [1, -1, nan, Math.fround(Math.tanh(1))],
      [1, 0, nan, Math.fround(1 / (1 + Math.exp(-1)))],
      [2 ** 31 - 1, -(2 ** 31), 0, 1].map(Math.fround),
    ],
  );
});
