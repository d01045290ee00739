/** What objectives sum and report, against the definitions written out over the model's logits in plain numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { scoreTokens } from "../../../align/objectives/log-probs.js";
import { completionObjective, type Objective, preferenceObjective } from "../../../align/objectives/objective.js";
import { ShapeError, type Tree, tensor } from "../../../core/index.js";
import { seeds } from "../../generators/generators.js";
import { trainedConfig } from "../../generators/tiny-training.js";
import { check, law } from "../../law.js";
import {
  block,
  N,
  near,
  nearAll,
  over,
  reportOf,
  rowsOf,
  T,
  tensors,
  total,
  valuesOf,
  withParams,
} from "./objective-blocks.js";

const few = { effort: 0.1 };

law(
  "the sums under the objectives: log-probabilities, counts, entropies and mean logits of the targets",
  seeds(),
  async (seed, device) =>
    withParams(device, async (params) => {
      const batch = block(seed);
      const rows = await rowsOf(batch, params, device);
      const { ids, targets } = tensors(batch, N);
      const scored = scoreTokens(params, trainedConfig, ids, targets, { tokenMetrics: true });
      const got = await valuesOf(
        [scored.logps, scored.counts, scored.entropy, scored.meanLogit, scored.correct],
        device,
      );
      for (const [row, { logp, targets, entropy, logit, correct }] of rows.entries())
        for (const [i, want] of [logp, targets, entropy, logit, correct].entries())
          near(got[i][row], want, device, `${row}, ${i}`);
    }),
  few,
);

law(
  "the completion objective is the mean cross-entropy of the targets, with entropy and accuracy",
  seeds(),
  async (seed, device) =>
    withParams(device, async (params) => {
      const batch = block(seed);
      const rows = await rowsOf(batch, params, device);
      const [logp, targets, nats, correct] = (["logp", "targets", "entropy", "correct"] as const).map((name) =>
        total(rows.map((row) => row[name])),
      );
      const { sum, loss, metrics } = await reportOf(completionObjective(trainedConfig), params, batch, N, device);
      near(sum, -logp, device, "sum");
      near(loss, over(-logp, targets), device, "loss");
      nearAll(metrics, { entropy: over(nats, targets), mean_token_accuracy: over(correct, targets) }, device);
      const plain = completionObjective(trainedConfig, { tokenMetrics: false });
      const bare = await reportOf(plain, params, batch, N, device);
      near(bare.loss, loss, device, "loss without metrics");
      assert.deepEqual(bare.metrics, {});
      assert.deepEqual(bare.totals.slice(2), [0, 0]);
    }),
  few,
);

law(
  "the preference objective is the mean DPO of the first `examples` pairs, with TRL's metrics of them alone",
  fc.tuple(seeds(), fc.constantFrom(1, 2, 3)),
  async ([seed, examples], device) =>
    withParams(device, async (params) => {
      const batch = block(seed);
      const beta = 0.25;
      const rows = await rowsOf(batch, params, device);
      const B = N / 2;
      const [chosen, rejected] = [rows.slice(0, examples), rows.slice(B, B + examples)];
      const rewards = (side: typeof rows, first: number) =>
        side.map(({ logp }, i) => beta * (logp - batch.reference[first + i]));
      const [won, lost] = [rewards(chosen, 0), rewards(rejected, B)];
      const of = (side: typeof rows, name: keyof (typeof rows)[number]) => total(side.map((row) => row[name]));
      const wanted = total(won.map((w, i) => Math.log1p(Math.exp(lost[i] - w))));
      const pairs = {
        "rewards/chosen": total(won) / examples,
        "rewards/rejected": total(lost) / examples,
        "rewards/accuracies": won.filter((w, i) => w > lost[i]).length / examples,
        "rewards/margins": (total(won) - total(lost)) / examples,
        "logps/chosen": of(chosen, "logp") / examples,
        "logps/rejected": of(rejected, "logp") / examples,
      };
      const tokens = {
        "logits/chosen": over(of(chosen, "logit"), of(chosen, "targets")),
        "logits/rejected": over(of(rejected, "logit"), of(rejected, "targets")),
        entropy: over(of([...chosen, ...rejected], "entropy"), of([...chosen, ...rejected], "targets")),
        mean_token_accuracy: over(of(chosen, "correct"), of(chosen, "targets")),
      };
      const { sum, loss, metrics } = await reportOf(
        preferenceObjective(trainedConfig, { beta }),
        params,
        batch,
        examples,
        device,
      );
      near(sum, wanted, device, "sum");
      near(loss, wanted / examples, device, "loss");
      nearAll(metrics, { ...pairs, ...tokens }, device);
      const plain = preferenceObjective(trainedConfig, { beta, tokenMetrics: false });
      const bare = await reportOf(plain, params, batch, examples, device);
      near(bare.loss, loss, device, "loss without metrics");
      nearAll(bare.metrics, pairs, device);
      assert.deepEqual(bare.totals.slice(9), [0, 0, 0, 0]);
    }),
  few,
);

check(
  "losses that know no reference need none, and their rewards are β l̄; several losses are one objective",
  async (device) =>
    withParams(device, async (params) => {
      const batch = block(4);
      const rows = await rowsOf(batch, params, device);
      const { reference: _, ...alone } = tensors(batch, N / 2);
      const report = async (objective: Objective, given: Parameters<Objective["sums"]>[1]) => {
        const [, totals] = await valuesOf(objective.sums(params, given) as Tree, device);
        return objective.report(totals);
      };
      const beta = 0.25;
      const simpo = preferenceObjective(trainedConfig, { lossType: "simpo", beta, simpoGamma: 0.5 });
      const sft = preferenceObjective(trainedConfig, { lossType: ["sft"], beta });
      const both = preferenceObjective(trainedConfig, { lossType: ["simpo", "sigmoid"], lossWeights: [2, 0.5], beta });
      assert.deepEqual(
        [simpo, sft, both].map(({ usesReference }) => usesReference),
        [false, false, true],
      );
      const mean = rows.map(({ logp, targets }) => over(logp, targets));
      const B = N / 2;
      const wanted = total(mean.slice(0, B).map((w, i) => Math.log1p(Math.exp(0.5 - beta * (w - mean[B + i]))))) / B;
      const { examples, ...unsaid } = alone;
      for (const given of [alone, unsaid]) {
        const { loss, metrics } = await report(simpo, given);
        near(loss, wanted, device, "simpo");
        near(metrics["rewards/chosen"], (beta * total(mean.slice(0, B))) / B, device, "reward of chosen");
        near(metrics["rewards/rejected"], (beta * total(mean.slice(B))) / B, device, "reward of rejected");
        near(metrics["logps/chosen"], total(rows.slice(0, B).map(({ logp }) => logp)) / B, device, "logps");
      }
      const chosen = rows.slice(0, B);
      const nll = -total(chosen.map(({ logp }) => logp)) / total(chosen.map(({ targets }) => targets));
      near((await report(sft, alone)).loss, nll, device, "sft");
      const plain = preferenceObjective(trainedConfig, { beta });
      const compared = tensors(batch, B);
      const dpo = await report(plain, compared);
      const mixed = await report(both, compared);
      near(mixed.loss, 2 * wanted + 0.5 * dpo.loss, device, "both");
      assert.deepEqual(mixed.metrics, dpo.metrics);
      assert.equal(examples.shape.length, 0);
    }),
);

check("(31) where policy = reference no pair counts as accurate: the comparison is strict", async (device) =>
  withParams(device, async (params) => {
    const batch = block(1);
    const { ids, targets } = tensors(batch, N);
    const reference = Array.from((await valuesOf(scoreTokens(params, trainedConfig, ids, targets).logps, device))[0]);
    const { loss, metrics } = await reportOf(
      preferenceObjective(trainedConfig),
      params,
      { ...batch, reference },
      N / 2,
      device,
    );
    near(loss, Math.LN2, device, "loss");
    for (const name of ["chosen", "rejected", "margins", "accuracies"]) assert.equal(metrics[`rewards/${name}`], 0);
  }),
);

check("β is 0.1 unless said", async (device) =>
  withParams(device, async (params) => {
    const [usual, said] = [
      await reportOf(preferenceObjective(trainedConfig), params, block(2), N / 2, device),
      await reportOf(preferenceObjective(trainedConfig, { beta: 0.1 }), params, block(2), N / 2, device),
    ];
    assert.deepEqual(usual, said);
  }),
);

check("nothing to learn from: loss and metrics are 0, and no total is NaN", async (device) =>
  withParams(device, async (params) => {
    const batch = { ...block(3), mask: new Array<number>(N * T).fill(0) };
    for (const tokenMetrics of [true, false])
      for (const objective of [
        completionObjective(trainedConfig, { tokenMetrics }),
        preferenceObjective(trainedConfig, { tokenMetrics }),
      ]) {
        const { loss, metrics, totals } = await reportOf(objective, params, batch, 0, device);
        assert.deepEqual(
          [loss, ...Object.values(metrics), ...totals].map(Math.abs),
          [loss, ...Object.values(metrics), ...totals].map(() => 0),
        );
      }
  }),
);

test("objectives: names, and which of them needs a reference", () => {
  const [sft, dpo] = [completionObjective(trainedConfig), preferenceObjective(trainedConfig)];
  assert.deepEqual([sft.name, sft.usesReference, dpo.name, dpo.usesReference], ["sft", false, "dpo", true]);
  // One target, one pair: a mean over one is that one.
  const one = (width: number) => Array.from({ length: width }, (_, i) => [3, 1][i] ?? 0);
  assert.deepEqual([sft.report(one(sft.width)).loss, dpo.report(one(dpo.width)).loss], [3, 3]);
});

test("units: the targets that something predicts, the pairs that are no padding", () => {
  const mask = Float32Array.from([1, 1, 0, 1, 0, 1]);
  const batch = { ids: new Int32Array(6), mask, rows: 2, length: 3 };
  assert.equal(completionObjective(trainedConfig).units(batch), 2);
  assert.equal(preferenceObjective(trainedConfig).units(batch), 1);
  assert.equal(preferenceObjective(trainedConfig).units({ ...batch, rows: 4, examples: 1 }), 1);
  assert.equal(preferenceObjective(trainedConfig).units({ ...batch, rows: 4 }), 2);
});

test("blocks that do not fit are shape errors", async () => {
  const params = {};
  const ids = tensor(Int32Array.from([1, 2, 3, 4]), [2, 2]);
  const targets = tensor(Int32Array.from([0, 2]));
  for (const [wrong, at] of [
    [ids, tensor([0, 2])],
    [ids, tensor(Int32Array.from([0, 2]), [1, 2])],
    [tensor(Int32Array.from([1, 2]), [2]), targets],
    [tensor(Int32Array.from([1, 2, 3, 4]), [2, 2, 1]), targets],
  ])
    assert.throws(
      () => scoreTokens(params, trainedConfig, wrong, at),
      (error) => error instanceof ShapeError && /^scoreTokens\(/.test(error.message),
    );
  const odd = { ids: tensor(Int32Array.from([1, 2, 3]), [3, 1]), targets };
  const rest = { examples: tensor(1), reference: tensor([0, 0, 0]) };
  assert.throws(
    () => preferenceObjective(trainedConfig).sums(params, { ...odd, ...rest }),
    (error) => error instanceof ShapeError && /hold no pairs/.test(error.message),
  );
});
