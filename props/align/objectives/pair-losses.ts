import assert from "node:assert/strict";
import fc from "fast-check";
import { PAIR_LOSS_TYPES, type PairLossType, type PairScores, pairLoss } from "../../../align/objectives/losses.js";
import {
  type Device,
  disposable,
  evaluate,
  read,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from "../../../core/index.js";

export const [BETA, EPS, GAMMA] = [0.125, 0.25, 0.75];
export const options = { beta: BETA, labelSmoothing: EPS, simpoGamma: GAMMA };

/** One side of a pair, in plain numbers: eighths, whose means over tokens are exact in every precision. */
export interface Side {
  readonly policy: number;
  readonly reference: number;
  readonly tokens: number;
}
export interface Pair {
  readonly w: Side;
  readonly l: Side;
}

export const B = 4;
export const logp = fc.integer({ min: -400, max: -1 }).map((n) => n / 8);
const side: fc.Arbitrary<Side> = fc.record({
  policy: logp,
  reference: logp,
  tokens: fc.constantFrom(1, 2, 4, 8),
});
export const batches = fc.array(fc.record({ w: side, l: side }), { minLength: B, maxLength: B });

const vector = (values: readonly number[]) => tensor(Float64Array.from(values), [values.length], "f32");
const sideScores = (sides: readonly Side[]) => ({
  policy: vector(sides.map(({ policy }) => policy)),
  reference: vector(sides.map(({ reference }) => reference)),
  tokens: vector(sides.map(({ tokens }) => tokens)),
});
export const scoresOf = (pairs: readonly Pair[], real = pairs.map(() => 1)): PairScores => ({
  chosen: sideScores(pairs.map(({ w }) => w)),
  rejected: sideScores(pairs.map(({ l }) => l)),
  real: vector(real),
});

export const ratio = ({ policy, reference }: Side) => policy - reference;
const mean = (side: Side) => side.policy / side.tokens;
export const zOf = ({ w, l }: Pair) => BETA * (ratio(w) - ratio(l));
export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const logSigmoid = (x: number) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
const log1mexp = (x: number) => Math.log(-Math.expm1(x));
export const klOf = (sides: readonly Side[]) => Math.max(0, sides.reduce((n, s) => n + ratio(s), 0) / sides.length);
const total = (values: readonly number[]) => values.reduce((n, x) => n + x, 0);

/** As the papers and TRL write them, without a thought for rounding; `all` are the pairs of the batch. */
export const plain: Readonly<Record<PairLossType, (pair: Pair, all: readonly Pair[]) => number>> = {
  sigmoid: (p) => -logSigmoid(zOf(p)),
  cdpo: (p) => -(1 - EPS) * logSigmoid(zOf(p)) - EPS * logSigmoid(-zOf(p)),
  robust: (p) => (-(1 - EPS) * logSigmoid(zOf(p)) + EPS * logSigmoid(-zOf(p))) / (1 - 2 * EPS),
  hinge: (p) => Math.max(0, 1 - zOf(p)),
  ipo: ({ w, l }) => (ratio(w) / w.tokens - ratio(l) / l.tokens - 1 / (2 * BETA)) ** 2,
  exo_pair: (p) => {
    const z = zOf(p);
    return sigmoid(z) * (logSigmoid(z) - Math.log(1 - EPS)) + sigmoid(-z) * (logSigmoid(-z) - Math.log(EPS));
  },
  nca_pair: ({ w, l }) => {
    const [a, b] = [BETA * ratio(w), BETA * ratio(l)];
    return -logSigmoid(a) - 0.5 * logSigmoid(-a) - 0.5 * logSigmoid(-b);
  },
  sppo_hard: ({ w, l }) => (ratio(w) - 0.5 / BETA) ** 2 + (ratio(l) + 0.5 / BETA) ** 2,
  apo_zero: ({ w, l }) => 1 - sigmoid(BETA * ratio(w)) + sigmoid(BETA * ratio(l)),
  apo_down: (p) => sigmoid(BETA * ratio(p.w)) + 1 - sigmoid(zOf(p)),
  kto_pair: ({ w, l }, all) => {
    const [klW, klL] = [klOf(all.map((p) => p.w)), klOf(all.map((p) => p.l))];
    return (1 - sigmoid(BETA * (ratio(w) - klL)) + 1 - sigmoid(BETA * (klW - ratio(l)))) / 2;
  },
  simpo: ({ w, l }) => -logSigmoid(BETA * (mean(w) - mean(l)) - GAMMA),
  orpo: ({ w, l }) => -mean(w) - BETA * logSigmoid(mean(w) - mean(l) - (log1mexp(mean(w)) - log1mexp(mean(l)))),
  sft: (_, all) => -total(all.map(({ w }) => w.policy)) / total(all.map(({ w }) => w.tokens)),
};

export const numbers = async (
  trees: Readonly<Record<string, Tensor>>,
  device: Device,
): Promise<Map<string, number[]>> => {
  const owned = disposable(evaluate(trees, device));
  try {
    const found = new Map<string, number[]>();
    for (const name of Object.keys(trees)) found.set(name, Array.from(await read(owned[name])));
    return found;
  } finally {
    owned[Symbol.dispose]();
  }
};

/** All losses of a batch, as numbers. */
export const lossesOf = (scores: PairScores, device: Device, types = PAIR_LOSS_TYPES) =>
  numbers(Object.fromEntries(types.map((type) => [type, pairLoss([[type, 1]], scores, options)])), device);

/** 32-bit devices round at 2⁻²⁴; a loss here is the end of a handful of operations. */
export const near = (got: readonly number[], want: readonly number[], device: Device, what: string) => {
  const limit = device.name === "reference" ? 1e-12 : 2e-6;
  assert.equal(got.length, want.length);
  for (const [i, x] of got.entries())
    assert.ok(Math.abs(x - want[i]) <= limit * Math.max(1, Math.abs(want[i])), `${what} ${i}: ${x} is not ${want[i]}`);
};

/** d Σ loss / d log π of each side, by "type w" and "type l". */
export const gradientsOf = (scores: PairScores, device: Device, types = PAIR_LOSS_TYPES) => {
  const { chosen, rejected } = scores;
  const found = types.flatMap((type) => {
    const loss = ({ w, l }: { w: Tensor; l: Tensor }) => {
      const sides = { chosen: { ...chosen, policy: w }, rejected: { ...rejected, policy: l } };
      return sum(pairLoss([[type, 1]], { ...scores, ...sides }, options));
    };
    const [, { w, l }] = valueAndGrad(loss)({ w: chosen.policy, l: rejected.policy });
    return [[`${type} w`, w] as const, [`${type} l`, l] as const];
  });
  return numbers(Object.fromEntries(found), device);
};

export const plus = (a: readonly number[], b: readonly number[], by = 1) => a.map((x, i) => x + by * b[i]);
