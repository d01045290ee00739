/** Laws of the losses and of the log-probabilities and metrics under them; numbers in brackets are the project's law list. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { collate, targetPositions } from "../../../align/data/batch.js";
import { scoreTokens, tokenScores } from "../../../align/objectives/log-probs.js";
import { type PairScores, pairLoss } from "../../../align/objectives/losses.js";
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
import { tinyParams, tinySequence, trainedConfig } from "../../generators/tiny-training.js";
import { check, law } from "../../law.js";

/** Sums of log-probabilities over eight: exact in every precision that devices use. */
const logps = (length: number) =>
  fc.array(
    fc.integer({ min: -800, max: 0 }).map((n) => n / 8),
    { minLength: length, maxLength: length },
  );

const B = 4;
const scores = fc.record({ chosen: logps(B), rejected: logps(B), refChosen: logps(B), refRejected: logps(B) });
type Scores = { chosen: number[]; rejected: number[]; refChosen: number[]; refRejected: number[] };

const vector = (values: readonly number[]) => tensor(Float64Array.from(values), [values.length], "f32");
const pairs = ({ chosen, rejected, refChosen, refRejected }: Scores): PairScores => ({
  chosen: { policy: vector(chosen), reference: vector(refChosen), tokens: vector(chosen.map(() => 3)) },
  rejected: { policy: vector(rejected), reference: vector(refRejected), tokens: vector(rejected.map(() => 5)) },
  real: vector(chosen.map(() => 1)),
});

const numbers = async (t: Tensor, device: Device): Promise<number[]> => {
  const owned = disposable(evaluate(t, device));
  try {
    return Array.from(await read(owned));
  } finally {
    owned[Symbol.dispose]();
  }
};

/** 32-bit devices round at 2⁻²⁴; a loss here is the end of a handful of operations. */
const near = (got: readonly number[], want: readonly number[], device: Device) => {
  const limit = device.name === "reference" ? 1e-12 : 2e-6;
  assert.equal(got.length, want.length);
  for (const [i, x] of got.entries())
    assert.ok(Math.abs(x - want[i]) <= limit * Math.max(1, Math.abs(want[i])), `${i}: ${x} is not ${want[i]}`);
};

const beta = 0.125;
const dpoOf = (scores: PairScores) => pairLoss([["sigmoid", 1]], scores, { beta });
const dpo = (s: Scores) => dpoOf(pairs(s));
const margin = (s: Scores) => s.chosen.map((w, i) => beta * (w - s.refChosen[i] - (s.rejected[i] - s.refRejected[i])));
const swapped = (s: Scores): Scores => ({
  chosen: s.rejected,
  rejected: s.chosen,
  refChosen: s.refRejected,
  refRejected: s.refChosen,
});

law("(31) where policy = reference, DPO is log 2", scores, async (s, device) => {
  const same = { ...s, refChosen: s.chosen, refRejected: s.rejected };
  near(
    await numbers(dpo(same), device),
    s.chosen.map(() => Math.LN2),
    device,
  );
});

law("DPO is log(1 + e^−z), however large z is", scores, async (s, device) => {
  const want = margin(s).map((z) => Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
  near(await numbers(dpo(s), device), want, device);
});

law("(32) DPO(z) − DPO(−z) = −z", scores, async (s, device) => {
  const [there, back] = [await numbers(dpo(s), device), await numbers(dpo(swapped(s)), device)];
  near(
    there.map((x, i) => x - back[i]),
    margin(s).map((z) => -z),
    device,
  );
});

law(
  "(34) adding c(x) to both policy log-probabilities, or c(x, y) to policy and reference, leaves DPO unchanged",
  fc.record({ s: scores, c: logps(B), d: logps(B) }),
  async ({ s, c, d }, device) => {
    const plus = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x + b[i]);
    const before = await numbers(dpo(s), device);
    const byPrompt = { ...s, chosen: plus(s.chosen, c), rejected: plus(s.rejected, c) };
    const byAnswer = { ...s, chosen: plus(s.chosen, d), refChosen: plus(s.refChosen, d) };
    // Sums of eighths are exact, so this holds bit for bit.
    assert.deepEqual(await numbers(dpo(byPrompt), device), before);
    assert.deepEqual(await numbers(dpo(byAnswer), device), before);
  },
);

law("(35) dDPO/dr_w = −βσ(−z) = −dDPO/dr_l, and no gradient reaches the other pairs", scores, async (s, device) => {
  const { chosen, rejected, real } = pairs(s);
  const loss = ({ w, l }: { w: Tensor; l: Tensor }) =>
    sum(dpoOf({ chosen: { ...chosen, policy: w }, rejected: { ...rejected, policy: l }, real }));
  const [, grads] = valueAndGrad(loss)({ w: chosen.policy, l: rejected.policy });
  const want = margin(s).map((z) => -beta / (1 + Math.exp(z)));
  near(await numbers(grads.w, device), want, device);
  near(
    await numbers(grads.l, device),
    want.map((x) => -x),
    device,
  );
});

law("the order of pairs never changes a pair's DPO", scores, async (s, device) => {
  const reversed = treeMapArrays(s, (values) => [...values].reverse());
  assert.deepEqual((await numbers(dpo(reversed), device)).reverse(), await numbers(dpo(s), device));
});

const treeMapArrays = (s: Scores, f: (values: number[]) => number[]): Scores => ({
  chosen: f(s.chosen),
  rejected: f(s.rejected),
  refChosen: f(s.refChosen),
  refRejected: f(s.refRejected),
});

check("log-probabilities of completions: only targets count, and padding changes nothing", async (device) => {
  const weights = disposable(tinyParams(3, device));
  try {
    const sequences = [tinySequence(1, 7, 3), tinySequence(2, 5, 2), tinySequence(3, 4, 4)];
    const score = async (chosen: typeof sequences, bucket: number, padId: number) => {
      const batch = collate(chosen, { padId, bucket });
      const ids = tensor(batch.ids, [batch.rows, batch.length]);
      const targets = tensor(targetPositions(batch));
      const { logps, counts } = scoreTokens(weights, trainedConfig, ids, targets);
      return {
        logps: await numbers(logps, device),
        counts: await numbers(counts, device),
        tokens: await numbers(tokenScores(weights, trainedConfig, ids, targets), device),
      };
    };
    const once = await score(sequences, 8, 0);
    assert.deepEqual(once.counts, [4, 3, 0]);
    assert.equal(once.logps[2], 0);
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    near(once.logps.slice(0, 2), [sum(once.tokens.slice(0, 4)), sum(once.tokens.slice(4, 7))], device);
    const wider = await score(sequences, 16, 9);
    near(wider.logps, once.logps, device);
    for (const [row, sequence] of sequences.entries())
      near((await score([sequence], 8, 4)).logps, [once.logps[row]], device);
  } finally {
    weights[Symbol.dispose]();
  }
});
