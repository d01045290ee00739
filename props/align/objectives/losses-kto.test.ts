/** KTO: its loss by definition, its laws (31, 36), and what its objective sums and reports. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { targetPositions } from "../../../align/data/batch.js";
import { ktoSource } from "../../../align/data/kto-source.js";
import type { TrainingBatch } from "../../../align/data/rows.js";
import type { LabelledSequence } from "../../../align/data/sequence.js";
import { oneEpoch } from "../../../align/data/source.js";
import { ktoKl, ktoLoss, ktoObjective } from "../../../align/objectives/kto.js";
import { scoreTokens } from "../../../align/objectives/log-probs.js";
import { evaluateKto, evaluateOn } from "../../../align/training/evaluate.js";
import { askReference, type Weights } from "../../../align/training/reference.js";
import { type Device, dispose, ShapeError, sum, type Tensor, tensor, valueAndGrad } from "../../../core/index.js";
import { limitOf, numberOf, tinyParams, tinySequence, trainedConfig } from "../../generators/tiny-training.js";
import { check, law } from "../../law.js";
import { near, numbers } from "./pair-losses.js";

const B = 4;
const few = { effort: 0.2 };
const eighths = (length: number) =>
  fc.array(
    fc.integer({ min: -200, max: 200 }).map((n) => n / 8),
    { minLength: length, maxLength: length },
  );
const answers = fc.record({
  ratio: eighths(B),
  moved: eighths(B),
  wanted: fc.array(fc.boolean(), { minLength: B, maxLength: B }),
});
const options = { beta: 0.125, desirableWeight: 0.75, undesirableWeight: 1.5 };

const vector = (values: readonly number[]) => tensor(Float64Array.from(values), [values.length], "f32");
const bits = (labels: readonly boolean[]) => vector(labels.map(Number));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const mean = (values: readonly number[]) => values.reduce((n, x) => n + x, 0) / values.length;

/** KL of the first `real` rows, and each row's loss and slope in r, as the paper writes them. */
const plain = (ratio: readonly number[], moved: readonly number[], wanted: readonly boolean[], real: number) => {
  const kl = real === 0 ? 0 : Math.max(0, mean(moved.slice(0, real)));
  const { beta, desirableWeight, undesirableWeight } = options;
  const each = ratio.map((r, i) => {
    const inner = beta * (wanted[i] ? r - kl : kl - r);
    const weight = wanted[i] ? desirableWeight : undesirableWeight;
    const slope = sigmoid(inner) * sigmoid(-inner) * beta * (wanted[i] ? -1 : 1);
    return { loss: weight * (1 - sigmoid(inner)), slope: weight * slope };
  });
  return { kl, losses: each.map(({ loss }) => loss), slopes: each.map(({ slope }) => slope) };
};

law(
  "(36) no gradient passes through KTO's KL; the loss is its definition",
  fc.tuple(answers, fc.integer({ min: 0, max: B })),
  async ([{ ratio, moved, wanted }, real], device) => {
    const known = vector(Array.from({ length: B }, (_, i) => Number(i < real)));
    const klOf = (m: Tensor) => ktoKl(m, known);
    const lossOf = ({ r, m }: { r: Tensor; m: Tensor }) =>
      ktoLoss({ ratio: r, desirable: bits(wanted), kl: klOf(m) }, options);
    const given = { r: vector(ratio), m: vector(moved) };
    const [, slope] = valueAndGrad((at: typeof given) => sum(lossOf(at)))(given);
    const got = await numbers({ kl: klOf(given.m), loss: lossOf(given), r: slope.r, m: slope.m }, device);
    const want = plain(ratio, moved, wanted, real);
    near(got.get("kl") as number[], [want.kl], device, "kl");
    near(got.get("loss") as number[], want.losses, device, "loss");
    near(got.get("r") as number[], want.slopes, device, "slope in r");
    assert.deepEqual(got.get("m"), [0, 0, 0, 0]);
  },
  few,
);

check("(31) where policy = reference KTO is half its weight; both weights are 1 unless said", async (device) => {
  const scores = { ratio: vector([0, 0]), desirable: bits([true, false]), kl: tensor(0) };
  const got = await numbers({ said: ktoLoss(scores, options), usual: ktoLoss(scores, { beta: options.beta }) }, device);
  assert.deepEqual(
    [got.get("said"), got.get("usual")],
    [
      [0.375, 0.75],
      [0.5, 0.5],
    ],
  );
});

const rows: readonly LabelledSequence[] = Array.from({ length: 5 }, (_, i) => ({
  ...tinySequence(i, 6 + (i % 3), 2 + (i % 2)),
  label: i % 3 !== 0,
}));
const cut = { padId: 0, bucket: 4, shuffle: false };

/** Two models that differ, freed at the end. */
const withModels = async (device: Device, body: (policy: Weights, other: Weights) => Promise<void>) => {
  const [policy, other] = [3, 4].map((seed) => ({ config: trainedConfig, params: tinyParams(seed, device) }));
  try {
    await body(policy, other);
  } finally {
    dispose(policy.params, other.params);
  }
};

/** By definition: log-probabilities and the rest of each row of a batch, [rows]. */
const rowsOf = async (batch: TrainingBatch, { params }: Weights, device: Device) => {
  const ids = tensor(batch.ids, [batch.rows, batch.length]);
  const options = { tokenMetrics: true };
  const scored = scoreTokens(params, trainedConfig, ids, tensor(targetPositions(batch)), options);
  const { logps: logp, counts: targets, entropy: nats, meanLogit: logit } = scored;
  const found = await numbers({ logp, targets, nats, logit }, device);
  return (name: string) => found.get(name) as number[];
};

check(
  "the KTO objective: the mean over the rows that are no padding, with TRL's metrics of each label",
  async (device) =>
    withModels(device, async (policy, other) => {
      const some = rows.slice(0, 3);
      const wanted = [...some.map(({ label }) => label), false];
      // Nothing in the padding counts, not even a label.
      const desirable = Float32Array.from([...some.map(({ label }) => label), true], Number);
      const batch = { ...ktoSource(some, { ...cut, batchSize: 4 }).at(0), desirable };
      const [mine, theirs] = [await rowsOf(batch, policy, device), await rowsOf(batch, other, device)];
      const ratios = mine("logp").map((x, i) => x - theirs("logp")[i]);
      // Now of one sign, now of the other: KL is above 0 in one of the two.
      for (const [sign, model, reference] of [
        [1, policy, other],
        [-1, other, policy],
      ] as const) {
        const ratio = ratios.map((x) => sign * x);
        const { kl, losses } = plain(ratio.slice(0, 4), ratio.slice(4), wanted, 3);
        const by = sign === 1 ? mine : theirs;
        const over = (label: boolean, values: readonly number[]) =>
          values.filter((_, i) => i < 3 && wanted[i] === label).reduce((n, x) => n + x, 0);
        const per = (label: boolean, values: readonly number[], count: readonly number[]) =>
          over(label, values) / over(label, count);
        const ones = ratio.map(() => 1);
        const reward = (label: boolean) => options.beta * per(label, ratio, ones);
        const both = (values: readonly number[]) => over(true, values) + over(false, values);
        const pairs = {
          kl,
          "rewards/chosen": reward(true),
          "rewards/rejected": reward(false),
          "rewards/margins": reward(true) - reward(false),
          "logps/chosen": per(true, by("logp"), ones),
          "logps/rejected": per(false, by("logp"), ones),
        };
        const tokens = {
          "logits/chosen": per(true, by("logit"), by("targets")),
          "logits/rejected": per(false, by("logit"), by("targets")),
          entropy: both(by("nats")) / both(by("targets")),
        };
        for (const [tokenMetrics, metrics] of [
          [true, { ...pairs, ...tokens }],
          [false, pairs],
        ] as const) {
          const objective = ktoObjective(trainedConfig, { ...options, tokenMetrics });
          const got = await evaluateOn({ objective, params: model.params, batches: [batch], reference }, device);
          assert.deepEqual(Object.keys(got.metrics).sort(), Object.keys(metrics).sort());
          for (const [name, value] of Object.entries({ loss: mean(losses.slice(0, 3)), ...metrics }))
            assert.ok(Math.abs(numberOf({ ...got.metrics, loss: got.loss }, name) - value) <= limitOf(device), name);
        }
      }
      const objective = ktoObjective(trainedConfig);
      assert.deepEqual([objective.name, objective.usesReference, objective.units(batch)], ["kto", true, 3]);
      assert.equal(objective.units({ ...batch, examples: undefined }), 4);
      // A mean over one is that one, and one over none is 0.
      const totals = Array.from({ length: objective.width }, (_, i) => [3, 1][i] ?? 0);
      assert.deepEqual([objective.report(totals).loss, objective.report(totals.fill(0)).loss], [3, 0]);
    }),
);

check("(36) the order of rows changes KTO's KL and nothing that is no part of it", async (device) =>
  withModels(device, async (policy, other) => {
    const score = (some: typeof rows) => evaluateKto(policy, other, some, { ...cut, batchSize: 8, beta: 0.5 }, device);
    const [a, b, c] = [
      await score(rows),
      await score([...rows].reverse()),
      await score([...rows.slice(2), ...rows.slice(0, 2)]),
    ];
    const kls = [a, b, c].map(({ metrics }) => metrics.kl);
    // The other way round every prompt meets another answer; turned round, each its own neighbour still.
    assert.ok(Math.max(...kls) > 0 && Math.abs(kls[0] - kls[1]) > 1e-3 && Math.abs(kls[0] - kls[2]) <= limitOf(device));
    assert.ok(Math.abs(a.loss - b.loss) > 1e-5);
    for (const name of ["rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected", "entropy"])
      for (const { metrics } of [b, c]) assert.ok(Math.abs(a.metrics[name] - metrics[name]) <= limitOf(device), name);
  }),
);

check("kl is the mean over batches; what would be a mean over no rows is left out", async (device) =>
  withModels(device, async (policy, other) => {
    const of = (some: typeof rows, batchSize: number) =>
      evaluateKto(policy, other, some, { ...cut, batchSize, beta: 0.5 }, device);
    const [both, first, second] = [await of(rows, 3), await of(rows.slice(0, 3), 3), await of(rows.slice(3), 2)];
    assert.ok(Math.abs(both.metrics.kl - (first.metrics.kl + second.metrics.kl) / 2) <= limitOf(device));
    assert.ok(Math.abs(both.loss - (3 * first.loss + 2 * second.loss) / 5) <= limitOf(device));
    for (const [label, gone] of [
      [true, "rejected"],
      [false, "chosen"],
    ] as const) {
      const { metrics } = await of(
        rows.filter((row) => row.label === label),
        2,
      );
      const names = Object.keys(metrics).filter((name) => name.includes("/"));
      assert.deepEqual(
        names.filter((name) => name.includes(gone) || name.includes("margins")),
        [],
      );
      assert.equal(names.length, 3);
    }
    const nothing = await evaluateOn(
      { objective: ktoObjective(trainedConfig), params: policy.params, batches: [] },
      device,
    );
    assert.deepEqual([nothing.loss, nothing.metrics.kl], [0, 0]);
  }),
);

check(
  "reference log-probabilities asked beforehand, of answers and of mismatched ones, are those asked in the loop",
  async (device) =>
    withModels(device, async (policy, other) => {
      const source = ktoSource(rows, { ...cut, batchSize: 2 });
      const reference = await askReference(other, source, device);
      assert.equal(reference.length, rows.length);
      const known = ktoSource(rows, { ...cut, batchSize: 2, reference });
      const run = { objective: ktoObjective(trainedConfig, options), params: policy.params };
      const asked = await evaluateOn({ ...run, batches: oneEpoch(source), reference: other }, device);
      const before = await evaluateOn({ ...run, batches: oneEpoch(known) }, device);
      for (const [name, value] of Object.entries({ loss: asked.loss, ...asked.metrics }))
        assert.ok(Math.abs(numberOf({ ...before.metrics, loss: before.loss }, name) - value) <= limitOf(device), name);
    }),
);

check("batches that are no labelled answers are shape errors", async (device) => {
  const { sums } = ktoObjective(trainedConfig);
  const before = device.stats().liveBuffers;
  const block = (N: number) => ({
    ids: tensor(new Int32Array(2 * N), [N, 2]),
    targets: tensor(new Int32Array(2)),
  });
  const reference = tensor([0, 0]);
  for (const batch of [
    { ...block(2), reference },
    { ...block(3), reference, desirable: tensor([1]) },
    { ...block(2), reference, desirable: tensor([1, 0]) },
  ])
    assert.throws(
      () => sums({}, batch),
      (error) => error instanceof ShapeError && /^kto: ids i32\[/.test(error.message),
    );
  assert.equal(device.stats().liveBuffers, before);
});
