/** `optim: ./my-rule.js`: a rule of one's own trains, is merged over, resumes to the bit, and is refused by name where it is none. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { ownRule } from "../../../align/training/rules/own-rule.js";
import { mul, neg } from "../../../core/index.js";
import { lion, type Optimizer, type Rule, sgd } from "../../../optim/index.js";
import { dpo as run } from "../../../run/index.js";
import { path } from "../../../testing/runs.js";
import { reference } from "../../close.js";
import { goldenPath, projectRoot } from "../../golden/files.js";
import { document, succeeds, taugradIn } from "../cli.js";
import { type Case, calls, file, folder, pairs, policy, refused } from "../cli-refuses.js";
import { inside } from "../inside.js";

const sft = goldenPath("preferences", "sft");
const usual = [
  ...["dpo", "--model_name_or_path", policy, "--ref_model_name_or_path", sft, "--dataset_name", pairs],
  ...["--device", "cpu", "--max_steps", "3", "--learning_rate", "1e-3", "--per_device_train_batch_size", "2"],
];

/** What stands in a module whose rule needs no op: the gradient of the step before, as it is or doubled. */
const late = (name: string, more = "") => `
  const plain = { scalars: [], advance: (s) => s, usesTau: false, prepare: (t) => t };
  export default { ...plain, name: "${name}", slots: ["m"], step: (g, { m }) => ({ change: m, slots: { m: g } }), ${more} };`;

test("it resumes to the bits of a run that nobody stopped, and not with what it was not; its path is free", async () => {
  const [rule, out] = [file("late.mjs", late("late")), join(folder, "resumed")];
  const run = [...usual, "--output_dir", out, "--save_steps", "2"];
  await succeeds([...run, "--optim", rule]);
  const weights = readFileSync(join(out, "model.safetensors"));
  rmSync(join(out, "checkpoint-3"), { recursive: true, force: true });
  // The same module elsewhere.
  await succeeds([...run, "--optim", file("moved.mjs", late("late")), "--resume"]);
  assert.deepEqual(readFileSync(join(out, "model.safetensors")), weights);
  for (const [content, said] of [
    [`${late("late")} // changed`, /optim is not what it was/],
    [late("other"), /optim was "a rule of one's own, late" and is "a rule of one's own, other"/],
  ] as const) {
    writeFileSync(rule, content);
    rmSync(join(out, "checkpoint-3"), { recursive: true, force: true });
    const { code, stderr } = await inside([...run, "--optim", rule, "--resume", "--overwrite_output_dir"]);
    assert.equal(code, 2);
    assert.match(stderr, said);
  }
  const settings = readFileSync(join(out, "README.md"), "utf8");
  assert.match(settings, /optim: .*moved\.mjs/);
});

test("the chapter's module, of the package's own ops, wherever it lies; under a merge; dry_run and fit know it", async () => {
  const [, source = ""] =
    /```js\n([\s\S]*?)```/.exec(readFileSync(join(projectRoot, "docs/own-optimizer.md"), "utf8")) ?? [];
  file("my-rule.mjs", source);
  const merged = [...usual, "--optim", "ondare", "--base_optim", "./my-rule.mjs", "--optim_args", "beta=0.5"];
  const out = join(folder, "merged");
  const { code, stderr } = await taugradIn(folder, [
    ...[...merged, "--base_model_name_or_path", policy, "--alpha", "0.1", "--max_steps", "1", "--output_dir", out],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /dpo: 1 steps, \d+ batches an epoch, onDare/);
  const own = file("late2.mjs", late("late"));
  const dry = await document<{ config: { optim: string }; memory: Record<string, number> }>([
    ...[...usual, "--optim", own, "--output_dir", join(folder, "dry"), "--dry_run"],
  ]);
  assert.equal(dry.config.optim, own);
  assert.equal(dry.memory["optimizer state"], dry.memory.weights, "its one slot");
  const fit = [
    "fit",
    "--model",
    policy,
    "--adapter",
    "cpu",
    "--max_length",
    "16",
    "--per_device_train_batch_size",
    "1",
  ];
  const [with1, with2] = await Promise.all(
    [own, "adamw"].map((optim) => document<{ rows: readonly { peak_bytes: number }[] }>([...fit, "--optim", optim])),
  );
  assert.notDeepEqual(with1.rows, with2.rows);
});

test("a rule in place of a name is the same optimizer, alone and under a merge; its numbers are in its digest", async () => {
  const some = { start: [1, -2], grads: [[1, 0.5], [-2, 0.25]], refDelta: [0.5, 0.25] }; // biome-ignore format: one line
  for (const [name, rule] of [
    ["sgd", sgd()],
    ["lion", lion({ betas: [0.9, 0.99] })],
  ] as const)
    for (const settings of [{}, { alpha: 0.25, reserveP: 0.5 }]) {
      const made = (optim: typeof name | Rule): Optimizer =>
        trainingOptimizer("alpha" in settings ? { ...settings, optim: "ondare", baseOptim: optim } : { optim });
      const [own, known] = [await path(made(rule), some, reference), await path(made(name), some, reference)];
      assert.deepEqual(own.weights, known.weights);
    }
  const digest = (rule: Rule) => ownRule(rule, "it").digest;
  assert.equal(digest(lion({ betas: [0.9, 0.99] })), digest(lion({ betas: [0.9, 0.99] })));
  assert.notEqual(digest(lion({ betas: [0.9, 0.99] })), digest(lion({ betas: [0.9, 0.98] })));
  const scaled = (by: number): Rule => ({
    ...sgd(),
    step: (grad, slots, { lr }) => ({ change: mul(by, mul(neg(lr), grad)), slots }),
  });
  assert.notEqual(digest(scaled(1)), digest(scaled(2)));
});

test("a run as a function takes the rule itself, trains by it, and resumes by its numbers", async () => {
  const given = {
    model_name_or_path: policy,
    ref_model_name_or_path: sft,
    dataset_name: pairs,
    device: "cpu",
  } as const;
  const some = { ...given, per_device_train_batch_size: 2, save_steps: 1, output_dir: join(folder, "program") };
  const late = (by: number): Rule => ({
    ...sgd(),
    name: "late",
    slots: ["m"],
    step: (grad, { m }, { lr }) => ({ change: mul(by, mul(neg(lr), m)), slots: { m: grad } }),
  });
  const { steps } = await run({ ...some, optim: late(1), max_steps: 1 });
  assert.equal(steps, 1);
  assert.equal((await run({ ...some, optim: late(1), max_steps: 2, resume: true })).steps, 2);
  await assert.rejects(run({ ...some, optim: late(2), max_steps: 3, resume: true }), /optim is not what it was/);
  await assert.rejects(run({ ...some, optim: { ...late(1), stp: 1 } as never }), /a rule has no "stp"/);
  await assert.rejects(run({ ...some, optim: late(1), optim_args: { a: 1 } }), /optim_args belongs to a rule/);
});

const dpo = (name: string, content: string, ...more: readonly string[]): readonly string[] => [
  ...[...calls.dpo, "--optim", file(name, content), ...more],
];
refused("modules that hold no rule: which, and what is wrong", (): readonly Case[] => [
  [[...calls.dpo, "--optim", "./nowhere.js"], /optim: \.\/nowhere\.js cannot be read \(ENOENT/],
  [[...calls.dpo, "--optim", folder], /cannot be read \(EISDIR/],
  [dpo("a.mjs", "export const rule = 1;"), /a\.mjs has no default export; write export default \{/],
  [dpo("b.mjs", "throw new Error('no\\nway');"), /b\.mjs cannot be loaded: Error: no/],
  [dpo("c.mjs", "import './there.js';"), /c\.mjs cannot be loaded: Error: Cannot find module/],
  [dpo("d.mjs", "what is this"), /d\.mjs cannot be loaded: SyntaxError/],
  [dpo("e.mjs", "export default 3;"), /e\.mjs: a number is no rule/],
  [dpo("f.mjs", "export default () => { throw new TypeError('odd'); }"), /its default export throws TypeError: odd/],
  [
    dpo("g.mjs", "export default { name: 'g', slots: [], step: () => 1 };"),
    /the rule's scalars is missing.*\.\.\.plain/,
  ],
  [dpo("h.mjs", late("h", "stp: 1")), /a rule has no "stp"; did you mean "step"/],
  [dpo("i.mjs", late("i", "slots: ['m', 'lost']")), /a slot cannot be called "lost"/],
  [dpo("j.mjs", late("j", "coarse: ['v']")), /coarse names "v"/],
  [dpo("k.mjs", late("k", "step: (g, s) => ({ change: g, slots: {} })")), /slots\.m is undefined, not f32\[/],
  [dpo("l.mjs", late("l", "step: (g, s) => ({ change: g, slots: { ...s, n: g } })")), /slots has "n", which the rule/],
  [dpo("m.mjs", late("m", "step: (g, s, { lr }) => ({ change: lr, slots: s })")), /change is f32\[\], not f32\[6\]/],
  [
    dpo("n.mjs", late("n", "step: async (g, s) => ({ change: g, slots: s })")),
    /the result is a promise, not \{ change/,
  ],
  [dpo("o.mjs", late("o", "step: (g) => g.no.where")), /step of "o" throws TypeError/],
  [dpo("p.mjs", late("p", "scalars: ['t'], advance: () => ({})")), /p\.advance: the result\.t is undefined/],
  [dpo("q.mjs", late("q", "usesMask: true")), /q usesMask, and none is estimated/],
  [dpo("r.mjs", late("r", "usesTau: true")), /needs base_model_name_or_path/],
  [dpo("s.mjs", late("s"), "--optim_args", "a=1"), /optim_args: .*exports a rule, not a function/],
  [dpo("t.mjs", `${late("t")}`, "--alpha", "2"), /--alpha is "2"/],
  [dpo("u.mjs", late("u"), "--adam_beta1", "0.5"), /optim "u": adam_beta1 or adam_beta2 has no meaning there/],
  [
    dpo(
      "v.mjs",
      late("v").replace("export default", "export default ({ a }) => (").replace(/;$/, ");"),
      "--optim_args",
      "b=1",
    ),
    /does not read "b"; it reads a/,
  ],
  [[...calls.dpo, "--optim_args", "a=1"], /optim_args belongs to a rule of one's own/],
  [[...calls.dpo, "--optim_args", "a"], /--optim_args is "a"; it must be names with a value each/],
  [[...calls.dpo, "--base_optim", file("w.mjs", late("w")), "--optim", "sgd"], /base_optim has no meaning there/],
  [
    [...calls.dpo, "--optim", "ema", "--base_optim", file("x.mjs", late("x", "usesTau: true"))],
    /base_optim: x usesTau by itself/,
  ],
]);
