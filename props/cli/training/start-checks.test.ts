/** What is checked before the first step, and when evaluations are due. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pairSource } from "../../../align/data/source.js";
import { PAIR_LOSS_TYPES, type PairLossType } from "../../../align/objectives/losses.js";
import { preferenceObjective } from "../../../align/objectives/objective.js";
import { driftOf } from "../../../align/training/drift.js";
import { resolveValues } from "../../../cli/config.js";
import type { Output } from "../../../cli/output.js";
import { dispose } from "../../../core/index.js";
import { optimizerSettings } from "../../../run/checks/check.js";
import { checkStart, startLoss, tellDrift, tellModel } from "../../../run/checks/start-checks.js";
import type { TrainingValues } from "../../../run/options/takes.js";
import { cadence, checkCadence, evalStrategy } from "../../../run/parts/cadence.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { pairs, shared, tinyParams, trainedConfig } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const valuesOf = (more: Readonly<Record<string, unknown>> = {}): Promise<TrainingValues> =>
  resolveValues(
    "dpo",
    new Map(Object.entries({ model_name_or_path: "m", dataset_name: "d", output_dir: "o", ...more })) as never,
  );

/** Somewhere to speak, and what was said. */
const listener = () => {
  const said: string[] = [];
  const out: Output = {
    json: false,
    call: [],
    note: (line) => said.push(line),
    start: () => {},
    wait: () => {},
    flag: (key) => key,
    result: () => {},
  };
  return { out, said };
};

/** Law 31: the losses at policy = reference, for β = 0.5 and ε = 0.25. */
const AT_REFERENCE: Readonly<Record<PairLossType, number | undefined>> = {
  sigmoid: Math.LN2,
  cdpo: Math.LN2,
  robust: Math.LN2,
  hinge: 1,
  ipo: 1,
  exo_pair: Math.log(0.5) - 0.5 * Math.log(0.75 * 0.25),
  nca_pair: 2 * Math.LN2,
  sppo_hard: 2,
  apo_zero: 1,
  apo_down: 1,
  kto_pair: 0.5,
  simpo: undefined,
  orpo: undefined,
  sft: undefined,
};

test("dropout and longrope that a config asks for are told; nothing is where there is none", () => {
  const { out, said } = listener();
  tellModel(trainedConfig, { max_length: 9 }, out);
  tellModel(tinyConfig({ attention_dropout: 0 }), { max_length: 9 }, out);
  assert.deepEqual(said, []);
  tellModel(tinyConfig({ attention_dropout: 0.1, resid_pdrop: 0.05 }), { max_length: 9 }, out);
  assert.deepEqual(said, [
    "note: config.json has attention_dropout 0.1; training here drops nothing",
    "note: config.json has resid_pdrop 0.05; training here drops nothing",
  ]);
  const longrope = tinyConfig({
    ...{ model_type: "phi3", original_max_position_embeddings: 8 },
    rope_scaling: { type: "longrope", short_factor: [1, 1], long_factor: [2, 2] },
  });
  tellModel(longrope, { max_length: 8 }, out);
  assert.equal(said.length, 2);
  tellModel(longrope, { max_length: 9 }, out);
  assert.match(said[2], /longrope, batches longer than 8 tokens .* max_length 8 avoids it/);
});

check("start checks: the loss where policy and reference agree is law 31's", async (device) => {
  const options = { beta: 0.5, labelSmoothing: 0.25 };
  for (const lossType of PAIR_LOSS_TYPES) {
    const [found, expected] = [await startLoss({ lossType, ...options }, device), AT_REFERENCE[lossType]];
    if (expected === undefined) assert.equal(found, undefined, lossType);
    else assert.ok(Math.abs((found as number) - expected) < 1e-6, `${lossType}: ${found}, expected ${expected}`);
  }
  const mixed = { lossType: ["sigmoid", "hinge"], lossWeights: [2, 0.5], ...options } as const;
  assert.ok(Math.abs(((await startLoss(mixed, device)) as number) - (2 * Math.LN2 + 0.5)) < 1e-6);
});

check("start checks: silent where policy and reference agree, one line where they do not", async (device) => {
  const [params, other] = [tinyParams(1, device), tinyParams(2, device)];
  const values = await valuesOf();
  const task = {
    label: "dpo",
    model: { config: trainedConfig, params, layout: { kind: "single", names: [] }, dtype: "F32" },
    objective: preferenceObjective(trainedConfig, { beta: 0.5 }),
    source: pairSource(pairs, { ...shared, batchSize: 2 }),
  } as const;
  const { out, said } = listener();
  const compare = (weights: typeof params, loss = Math.LN2, more = values) =>
    checkStart({ ...task, reference: { config: trainedConfig, params: weights } }, loss, more, device, out);
  await compare(params);
  assert.deepEqual(said, []);
  await compare(other);
  assert.match(
    said.join(),
    /^warning: before the first step .* rewards\/chosen is .*, not 0, .*the loss is .*, not 0\.69315: /,
  );
  await compare(params, 1);
  assert.match(said[1], /the same, yet the loss is 0\.69315, not 1\.0000: /);
  await compare(other, Math.LN2, await valuesOf({ ref_model_name_or_path: "another" }));
  assert.equal(said.length, 2, "another reference may differ");
  dispose(params, other);
});

test("drift: A = T·α/K, over p where what is kept is scaled up; told, and warned of above 3", async () => {
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, number | undefined])[] = [
    [{ optim: "adamw" }, undefined],
    [{ optim: "ondare", alpha: 0 }, undefined],
    [{ optim: "ondare", alpha: 1e-3, reserve_p: 0.5 }, 1],
    [{ optim: "ondare", alpha: 1e-3, reserve_p: 0.5, merge_preset: "official" }, 2],
    [{ optim: "onties", alpha: 1e-3, reserve_p: 0.5, merge_preset: "official" }, 1],
    [{ optim: "ondare", alpha: 1e-3, online_step: 4 }, 0.25],
    [{ optim: "ondare", alpha: 1e-3, online_step: 300 }, 0.003],
  ];
  for (const [keys, expected] of cases) {
    const found = driftOf(optimizerSettings(await valuesOf(keys)), 1000);
    if (expected === undefined) assert.equal(found, undefined);
    else assert.ok(Math.abs((found as number) - expected) < 1e-12, `${JSON.stringify(keys)}: ${found}`);
  }
  const { out, said } = listener();
  tellDrift(await valuesOf({ optim: "ondare", alpha: 1e-3 }), 1000, out);
  tellDrift(await valuesOf({ optim: "ondare", alpha: 4e-3 }), 1000, out);
  assert.match(said[0], /^ondare drifts by A = 1\.00 /);
  assert.match(said[1], /^warning: ondare drifts by A = 4\.00 .*lower alpha$/);
});

test("evaluations are due as Hugging Face's Trainer has them", async () => {
  const due = async (keys: Readonly<Record<string, unknown>>): Promise<number[]> => {
    const values = await valuesOf({ eval_dataset: "e", logging_steps: 3, ...keys });
    const { evaluates } = cadence(values, { steps: 10, stepsPerEpoch: 4 });
    return Array.from({ length: 11 }, (_, step) => step).filter(evaluates);
  };
  assert.deepEqual(await due({}), [4, 8, 10]);
  assert.deepEqual(await due({ eval_strategy: "epoch", eval_on_start: true }), [0, 4, 8, 10]);
  assert.deepEqual(await due({ eval_steps: 5 }), [5, 10]);
  assert.deepEqual(await due({ eval_strategy: "steps" }), [3, 6, 9]);
  assert.deepEqual(await due({ eval_strategy: "no" }), []);
  assert.deepEqual(await due({ eval_strategy: "epoch", eval_steps: 2, eval_delay: 1.5 }), [8, 10]);
  assert.deepEqual(await due({ eval_steps: 0.25, eval_delay: 4 }), [6, 9]);
  const { out, said: told } = listener();
  checkCadence(await valuesOf({ eval_dataset: "e", eval_strategy: "epoch", eval_steps: 2 }), out);
  assert.deepEqual(told, ["note: eval_steps does nothing with eval_strategy epoch"]);
  const refused = async (keys: Readonly<Record<string, unknown>>, message: RegExp) => {
    const values = await valuesOf(keys);
    assert.throws(() => evalStrategy(values), { name: "InputError", message });
  };
  await refused({ eval_strategy: "steps" }, /^eval_strategy steps needs eval_dataset/);
  await refused({ eval_on_start: true }, /^eval_on_start needs eval_dataset/);
});
