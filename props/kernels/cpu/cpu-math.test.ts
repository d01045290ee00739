import assert from "node:assert/strict";
import {
  atan,
  cast,
  cos,
  erf,
  erfOf,
  exp,
  expm1,
  floor,
  log,
  log1p,
  maximum,
  minimum,
  round,
  rsqrt,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  type Tensor,
  tanh,
  tensor,
} from "../../../core/index.js";
import { run } from "../../close.js";
import { hash } from "../../generators/generators.js";
import { check } from "../../law.js";

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Any bits at all, any size near 0 … 100, and the corners: zeros, infinities, NaN, denormals, ends of ranges. */
const samples = (): Float32Array => {
  const numbers = [
    0, 0.5, 1, 2, 0.625, 88.7, 88.72284, 87.3, 103.9, 104, 105, 3.4028234e38, 1.1754944e-38, 1e-45, 1e-40,
  ];
  numbers.push(Number.POSITIVE_INFINITY, Math.PI, Math.PI / 2, 4, 5.9, 1e-4, 1e-5, 20);
  const all = [...numbers, ...numbers.map((x) => -x), Number.NaN];
  for (let i = 0; all.length < 60000; i++) {
    word[0] = hash(1, i);
    all.push(float[0], hash(2, i) / 2 ** 31 - 1, (hash(3, i) / 2 ** 31 - 1) * 105);
  }
  return Float32Array.from(all);
};

/** Distance of neighbouring f32 around x, denormals included. */
const ulp = (x: number): number => 2 ** Math.max(Math.floor(Math.log2(Math.abs(x) || 1e-45)) - 23, -149);

interface Case {
  readonly op: (x: Tensor) => Tensor;
  readonly define: (x: number) => number;
  readonly ulps: number;
  /** Largest |x| for which this holds. */
  readonly within?: number;
}

const halfEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

const CASES: Record<string, Case> = {
  exp: { op: exp, define: Math.exp, ulps: 1 },
  sigmoid: { op: sigmoid, define: (x) => (x < -700 ? 0 : 1 / (1 + Math.exp(-x))), ulps: 2 },
  log: { op: log, define: Math.log, ulps: 0.51 },
  tanh: { op: tanh, define: Math.tanh, ulps: 0.51 },
  softplus: { op: softplus, define: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), ulps: 0.51 },
  erf: { op: erf, define: erfOf, ulps: 0.51 },
  sin: { op: sin, define: Math.sin, ulps: 0.51, within: 1e6 },
  cos: { op: cos, define: Math.cos, ulps: 0.51, within: 1e6 },
  sqrt: { op: sqrt, define: Math.sqrt, ulps: 0.51 },
  rsqrt: { op: rsqrt, define: (x) => 1 / Math.sqrt(x), ulps: 2 },
  sign: { op: sign, define: Math.sign, ulps: 0 },
  floor: { op: floor, define: Math.floor, ulps: 0 },
  round: { op: round, define: halfEven, ulps: 0 },
  log1p: { op: log1p, define: Math.log1p, ulps: 0.51 },
  expm1: { op: expm1, define: Math.expm1, ulps: 0.51 },
  atan: { op: atan, define: Math.atan, ulps: 0.51 },
};

for (const [name, { op, define, ulps, within = Number.POSITIVE_INFINITY }] of Object.entries(CASES))
  check(
    `${name} lies within ${ulps} ulp of f64 over the whole range`,
    async (device) => {
      const xs = samples().filter((x) => !(Math.abs(x) > within));
      const [got] = await run((x: Tensor) => op(x), [tensor(xs)], device);
      xs.forEach((x, i) => {
        const want = define(x);
        const rounded = Math.fround(want);
        const room = Number.isFinite(rounded) ? ulps * ulp(rounded) : 0;
        const fits = Object.is(got[i], rounded) || got[i] === rounded || Math.abs(got[i] - want) <= room;
        // At the end of the range infinity is one step away from the largest number.
        const isEdge = Math.abs(want) > 3.4028234e38 && Math.abs(got[i]) > 3.4028234e38;
        assert.ok(
          fits || isEdge,
          `${name}(${x}) = ${got[i]}, not ${want}: ${Math.abs(got[i] - want) / ulp(rounded)} ulp`,
        );
      });
    },
    ["cpu"],
  );

check(
  "sin and cos of any number lie in [-1, 1], of infinities and NaN are NaN",
  async (device) => {
    const xs = samples();
    for (const numbers of await run((x: Tensor) => [sin(x), cos(x)], [tensor(xs)], device))
      xs.forEach((x, i) => {
        if (Number.isFinite(x)) assert.ok(Math.abs(numbers[i]) <= 1, `${x}: ${numbers[i]}`);
        else assert.ok(Number.isNaN(numbers[i]));
      });
  },
  ["cpu"],
);

check(
  "casts and extremes of any bits are those of core, bit for bit",
  async (device) => {
    const xs = samples();
    const ys = xs.slice().reverse();
    const ops = (x: Tensor, y: Tensor) => [
      cast(x, "i32"),
      cast(x, "u32"),
      cast(x, "bool"),
      maximum(x, y),
      minimum(x, y),
    ];
    const got = await run(ops, [tensor(xs), tensor(ys)], device);
    const saturate = (low: number, high: number) => (x: number) =>
      Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, low), high)) + 0;
    const wanted = [
      saturate(-(2 ** 31), 2 ** 31 - 1),
      saturate(0, 2 ** 32 - 1),
      (x: number) => (x !== 0 ? 1 : 0),
      Math.max,
      Math.min,
    ];
    wanted.forEach((define, which) => {
      xs.forEach((x, i) => {
        assert.ok(Object.is(got[which][i], define(x, ys[i])), `${which}: ${x}, ${ys[i]} gives ${got[which][i]}`);
      });
    });
  },
  ["cpu"],
);
