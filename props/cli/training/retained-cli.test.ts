/** `taugrad dpo` with data that it is to leave the model as it is on: its keys, resuming, memory, refusals. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { goldenPath } from "../../golden/files.js";
import { succeeds } from "../cli.js";
import { calls, file, folder, pairs, policy, refused } from "../cli-refuses.js";
import { inside } from "../inside.js";

const retained = file(
  "retained.jsonl",
  ["Water is wet.", "Snow is cold, and so is ice.", "A cat sat on the mat.", "Two and two are four."]
    .map((text) => `${JSON.stringify({ text })}\n`)
    .join(""),
);
const many = file(
  "many.jsonl",
  readFileSync(goldenPath("preferences", "plain.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => `${JSON.stringify({ text: (JSON.parse(line) as { chosen: string }).chosen })}\n`)
    .join(""),
);
const answers = file(
  "answers.jsonl",
  '{"prompt":"Say hi.","completion":" Hi!"}\n{"prompt":"Say no.","completion":" No."}\n',
);
const usual = [
  ...["dpo", "--model_name_or_path", policy, "--ref_model_name_or_path", goldenPath("preferences", "sft")],
  ...["--dataset_name", pairs, "--device", "cpu", "--logging_steps", "1", "--learning_rate", "1e-3"],
  ...["--lr_scheduler_type", "constant", "--per_device_train_batch_size", "2", "--limit", "8", "--no-shuffle_dataset"],
];
const flags = (keys: Readonly<Record<string, unknown>>) =>
  Object.entries(keys).flatMap(([key, value]) => [`--${key}`, `${value}`]);

const steps = async (
  name: string,
  count: number,
  keys: Readonly<Record<string, unknown>>,
  ...more: readonly string[]
) => {
  const out = join(folder, `retained-${name}`);
  const said = await succeeds([...usual, "--output_dir", out, "--max_steps", `${count}`, ...flags(keys), ...more]);
  const records = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  const losses = records.map((line) => (JSON.parse(line) as { loss: number }).loss);
  return { ...said, losses, weights: readFileSync(join(out, "model.safetensors")) };
};

const merging = { optim: "ondare", base_model_name_or_path: policy, alpha: 0.05 };
const KINDS: readonly (readonly [
  name: string,
  keys: Readonly<Record<string, unknown>>,
  beside: Readonly<Record<string, unknown>>,
])[] = [
  [
    "orthogonal",
    { retain: "orthogonal", retain_dataset: `${retained},${answers}`, retain_rows: 3, retain_every: 2 },
    {},
  ],
  ["drift", { retain: "drift", retain_dataset: retained, retain_every: 3 }, merging],
  ["null_space", { retain: "null_space", retain_dataset: retained, retain_share: 0.05 }, {}],
];

const plainSteps = steps("plain", 3, {});

for (const [name, keys, beside] of KINDS)
  test(`dpo with retain ${name}: steps of its own, and resumed after the second they end in the same bytes`, async () => {
    const plain = await (Object.keys(beside).length > 0 ? steps("plain-beside", 3, beside) : plainSteps);
    const whole = await steps(name, 3, { ...keys, ...beside, save_steps: 1 });
    assert.equal(whole.losses[0], plain.losses[0]);
    assert.notDeepEqual(whole.losses, plain.losses);
    assert.ok(whole.losses.every(Number.isFinite));
    rmSync(join(folder, `retained-${name}`, "checkpoint-3"), { recursive: true });
    const resumed = await steps(name, 3, { ...keys, ...beside, save_steps: 1 }, "--resume");
    assert.deepEqual(resumed.losses, whole.losses);
    assert.ok(resumed.weights.equals(whole.weights), "other weights after resuming");
  });

test("retained data decides a run: resumed with other rows, or in another way, it is refused by key", async () => {
  const own = file("own.jsonl", '{"text":"One."}\n');
  const keys = { retain: "opposed", retain_dataset: own, save_steps: 1 };
  await steps("same", 1, keys);
  const again = [...usual, "--output_dir", join(folder, "retained-same"), "--max_steps", "2", "--resume"];
  writeFileSync(own, '{"text":"Another."}\n');
  await assert.rejects(succeeds([...again, ...flags(keys)]), /retain_dataset is not what it was/);
  writeFileSync(own, '{"text":"One."}\n');
  await assert.rejects(succeeds([...again, ...flags({ ...keys, retain_every: 3 })]), /retain_every was null and is 3/);
});

test("null spaces: how many directions are left is told, and where they are few; where there is none the run is refused", async () => {
  const keys = { retain: "null_space", retain_dataset: retained };
  const some = await steps("null_space", 3, { ...keys, retain_share: 0.05, save_steps: 1 }, "--resume");
  assert.match(
    some.stderr,
    /note: retain: null_space leaves \d+\.\d % of the directions to step in; fewest in (model\.\S+ \d+ of \d+, ){3}… \(14 tensors\)\n/,
  );
  const all = [...usual, "--output_dir", join(folder, "none-left"), "--max_steps", "1", "--retain", "null_space"];
  const call = [...all, "--retain_dataset", many, "--retain_share", "1e-7"];
  const { code, stderr } = await inside(call);
  assert.equal(code, 2, stderr);
  assert.match(
    stderr,
    /taugrad: retain: null_space: .* each of the 14 tensors .*; raise retain_share \(1e-7\), or lower/,
  );
});

test("memory of retained data: a dry run and fit count its gradients, and its null spaces", async () => {
  const dry = async (keys: Readonly<Record<string, unknown>>) => {
    const { stdout } = await succeeds([
      ...usual,
      "--output_dir",
      join(folder, "dry"),
      "--dry_run",
      "--json",
      ...flags(keys),
    ]);
    return (JSON.parse(stdout) as { memory: Record<string, number> }).memory;
  };
  const two = await dry({ retain: "orthogonal", retain_dataset: `${retained},${answers}` });
  assert.equal(two["gradients of retained data"], 2 * two.weights);
  const held = await dry({ retain: "null_space", retain_dataset: retained });
  assert.ok(held["null spaces of retained data"] > 0);
  const fit = async (...keys: readonly string[]) => {
    const call = ["fit", "--model", policy, "--for", "dpo", "--memory", "1GiB", "--max_length", "32", "--json"];
    return (await succeeds([...call, ...keys])).stdout;
  };
  const bytes = (text: string) => [...text.matchAll(/"peak(?:_bytes|Bytes)?":\s*(\d+)/g)].map(([, n]) => Number(n))[0];
  const [plain, more] = [await fit(), await fit("--retain", "orthogonal", "--retain_dataset", "anything")];
  assert.ok(bytes(more) > bytes(plain), `${plain}\n${more}`);
});

refused("retained data, beside what it does not go with", () => [
  [
    [...calls.dpo, "--retain", "ogpsa"],
    /--retain is "ogpsa"; it must be one of orthogonal, opposed, drift, null_space/,
  ],
  [[...calls.dpo, "--retain", "opposed"], /retain: opposed needs retain_dataset/],
  [[...calls.sft, "--retain_dataset", pairs], /retain_dataset has no meaning without retain/],
  [[...calls.sft, "--retain_every", "3"], /retain_every has no meaning without retain/],
  ...[
    [["--retain", "opposed", "--retain_share", "0.1"], /retain_share has no meaning with retain: opposed/],
    [["--retain", "null_space", "--retain_every", "2"], /retain_every has no meaning with retain: null_space/],
    [["--retain", "null_space", "--compensated"], /null_space needs dtype: float32, and no compensated/],
    [
      ["--retain", "null_space", "--optim", "schedule_free_adamw"],
      /null_space: optim schedule_free_adamw hands out an average/,
    ],
    [["--retain", "drift"], /retain: drift decides where τ counts, and optim adamw merges none/],
    [["--retain", "opposed", "--use_peft"], /use_peft trains an adapter/],
    [["--retain", "opposed", "--retain_dataset", `${pairs},${pairs},${pairs}`], /names 3 sets; give one or two/],
    [["--retain", "opposed", "--retain_dataset", join(folder, "none.jsonl")], /none\.jsonl/],
  ].map(
    ([args, message]) => [[...calls.dpo, "--retain_dataset", pairs, ...(args as string[])], message as RegExp] as const,
  ),
]);
