/** What objectives sum and report, against the definitions written out over the model's logits in plain numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { completionLogps, entropy, meanLogit, overTargets, scoreTokens, targetCount } from "../align/log-probs.js";
import { completionObjective, type Objective, preferenceObjective } from "../align/objective.js";
import { type Device, disposable, evaluate, ShapeError, type Tensor, type Tree, tensor } from "../core/index.js";
import { hiddenStates, logits } from "../models/transformer.js";
import { numbersOf } from "./close.js";
import { hash, seeds } from "./generators.js";
import { check, law } from "./law.js";
import { tinyParams, trainedConfig } from "./tiny-training.js";

const V = trainedConfig.vocabSize;
const [N, T] = [6, 5];
const few = { effort: 0.1 };

/** N sequences and their targets; token 0 is marked too, which must not count. */
const block = (seed: number) => ({
  ids: Array.from({ length: N * T }, (_, i) => hash(seed, i) % V),
  mask: Array.from({ length: N * T }, (_, i) => (i % T === 0 ? 1 : hash(seed + 1, i) % 2)),
  reference: Array.from({ length: N }, (_, i) => -(hash(seed + 2, i) % 160) / 8),
});
type Block = ReturnType<typeof block>;

const tensors = ({ ids, mask, reference }: Block, examples: number) => ({
  ids: tensor(Int32Array.from(ids), [N, T]),
  mask: tensor(mask, [N, T]),
  reference: tensor(reference, [N]),
  examples: tensor(examples),
});

const withParams = async <R>(
  device: Device,
  body: (params: ReturnType<typeof tinyParams>) => Promise<R>,
): Promise<R> => {
  const owned = disposable(tinyParams(3, device));
  try {
    return await body(owned.value);
  } finally {
    owned[Symbol.dispose]();
  }
};

const valuesOf = async (tree: Tree, device: Device) =>
  (await numbersOf(evaluate(tree, device))).map((data) => Array.from(data));

/** Sums over each row's targets, by their definitions. */
const rowsOf = async ({ ids, mask }: Block, params: ReturnType<typeof tinyParams>, device: Device) => {
  const input = tensor(Int32Array.from(ids), [N, T]);
  const [scores] = await valuesOf(logits(params, trainedConfig, hiddenStates(params, trainedConfig, input)), device);
  return Array.from({ length: N }, (_, row) => {
    const sums = { logp: 0, targets: 0, entropy: 0, correct: 0, logit: 0 };
    for (let t = 1; t < T; t++) {
      if (mask[row * T + t] === 0) continue;
      const at = (row * T + t - 1) * V;
      const s = scores.slice(at, at + V);
      const total = s.reduce((sum, x) => sum + Math.exp(x), 0);
      const target = s[ids[row * T + t]];
      sums.targets += 1;
      sums.logp += target - Math.log(total);
      sums.entropy -= s.reduce((sum, x) => sum + (Math.exp(x) / total) * Math.log(Math.exp(x) / total), 0);
      sums.correct += Number(target === Math.max(...s));
      sums.logit += s.reduce((sum, x) => sum + x, 0) / V;
    }
    return sums;
  });
};

const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);
const over = (sum: number, count: number) => (count === 0 ? 0 : sum / count);

const near = (got: number, want: number, device: Device, what: string) => {
  const limit = device.name === "reference" ? 1e-11 : 1e-5;
  assert.ok(Math.abs(got - want) <= limit * Math.max(1, Math.abs(want)), `${what}: ${got} for ${want}`);
};
const nearAll = (got: Readonly<Record<string, number>>, want: Readonly<Record<string, number>>, device: Device) => {
  assert.deepEqual(Object.keys(got).sort(), Object.keys(want).sort());
  for (const [name, value] of Object.entries(want)) near(got[name], value, device, name);
};

const reportOf = async (
  objective: Objective,
  params: ReturnType<typeof tinyParams>,
  batch: Block,
  examples: number,
  device: Device,
) => {
  const [[loss], totals] = await valuesOf(objective.sums(params, tensors(batch, examples)) as Tree, device);
  assert.equal(totals.length, objective.width);
  return { sum: loss, totals, ...objective.report(totals) };
};

law(
  "the sums under the objectives: log-probabilities, counts, entropies and mean logits of the targets",
  seeds(),
  async (seed, device) =>
    withParams(device, async (params) => {
      const batch = block(seed);
      const rows = await rowsOf(batch, params, device);
      const { ids, mask } = tensors(batch, N);
      const scored = scoreTokens(params, trainedConfig, ids, mask);
      const sums: readonly Tensor[] = [
        completionLogps(scored),
        targetCount(scored),
        overTargets(entropy(scored), scored),
        overTargets(meanLogit(scored), scored),
      ];
      const got = await valuesOf(sums as unknown as Tree, device);
      for (const [row, { logp, targets, entropy: nats, logit }] of rows.entries())
        for (const [i, want] of [logp, targets, nats, logit].entries()) near(got[i][row], want, device, `${row}, ${i}`);
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

check("(31) where policy = reference no pair counts as accurate: the comparison is strict", async (device) =>
  withParams(device, async (params) => {
    const batch = block(1);
    const { ids, mask } = tensors(batch, N);
    const reference = Array.from(
      (await valuesOf(completionLogps(scoreTokens(params, trainedConfig, ids, mask)), device))[0],
    );
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
  for (const [wrong, mask] of [
    [ids, tensor([[1, 1]])],
    [ids, tensor([[1], [1]])],
    [ids, tensor([1, 1, 1, 1])],
    [tensor(Int32Array.from([1, 2]), [2]), tensor([[1, 1]])],
    [tensor(Int32Array.from([1, 2]), [2]), tensor([1, 1])],
    [tensor(Int32Array.from([1, 2, 3, 4]), [2, 2, 1]), tensor([1, 1, 1, 1], [2, 2])],
    [ids, tensor([1, 1, 1, 1], [2, 2, 1])],
  ])
    assert.throws(
      () => scoreTokens(params, trainedConfig, wrong, mask),
      (error) => error instanceof ShapeError && /^scoreTokens\(/.test(error.message),
    );
  const odd = { ids: tensor(Int32Array.from([1, 2, 3]), [3, 1]), mask: tensor([1, 1, 1], [3, 1]) };
  const rest = { examples: tensor(1), reference: tensor([0, 0, 0]) };
  assert.throws(
    () => preferenceObjective(trainedConfig).sums(params, { ...odd, ...rest }),
    (error) => error instanceof ShapeError && /hold no pairs/.test(error.message),
  );
});

check("entropy of logits whose exponentials overflow", async (device) => {
  const some = tensor([[[1000, 1000]]]);
  const [[nats]] = await valuesOf(entropy({ logits: some, next: some, counts: some, logps: some }), device);
  near(nats, Math.LN2, device, "two alike");
});
