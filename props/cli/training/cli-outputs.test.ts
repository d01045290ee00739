/** What a run leaves beside weights, what a dry run shows, and that watching a run changes none of its bits. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { resolveValues } from "../../../cli/config.js";
import { printMemory, shownBytes } from "../../../run/dry-run/memory-table.js";
import { printSamples, type SampleRow } from "../../../run/dry-run/sample-rows.js";
import { goldenPath } from "../../golden/files.js";
import { document, scratch, succeeds } from "../cli.js";

const folder = scratch();
const policy = goldenPath("preferences", "policy");
const lines = readFileSync(goldenPath("preferences", "chat.jsonl"), "utf8").split("\n");
const [rows, evalRows] = ["train.jsonl", "eval.jsonl"].map((name) => join(folder, name));
writeFileSync(rows, lines.slice(0, 32).join("\n"));
writeFileSync(evalRows, lines.slice(32, 38).join("\n"));
const [watched, plain, untouched] = ["watched", "plain", "untouched"].map((name) => join(folder, name));

const args = [
  ...["dpo", "--model_name_or_path", policy, "--dataset_name", rows, "--device", "cpu", "--max_length", "128"],
  ...["--learning_rate", "1e-3", "--max_steps", "4", "--logging_steps", "1", "--gradient_accumulation_steps", "2"],
  ...["--per_device_train_batch_size", "4"],
];
const watching = ["--eval_dataset", evalRows, "--eval_steps", "2", "--eval_on_start", "--save_steps", "2"];

type Json = Readonly<Record<string, unknown>>;
const textOf = (...path: string[]): string => readFileSync(join(...path), "utf8");
const recordsOf = (out: string): Json[] =>
  textOf(out, "metrics.jsonl")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);

const result = document<{ peak_memory_bytes: number }>([...args, ...watching, "--output_dir", watched]);

test("evaluation during training: at the start and every eval_steps, and the run's bits stay the same", async () => {
  await Promise.all([result, succeeds([...args, "--output_dir", plain])]);
  const records = recordsOf(watched);
  const evaluations = records.filter((record) => "eval_loss" in record);
  assert.deepEqual(
    evaluations.map(({ step, epoch }) => [step, epoch]),
    [
      [0, 0],
      [2, 0.5],
      [4, 1],
    ],
  );
  const [before, , after] = evaluations;
  assert.ok(Math.abs((before.eval_loss as number) - Math.LN2) < 1e-6 && before["eval_rewards/margins"] === 0);
  assert.ok((after["eval_rewards/margins"] as number) > 0 && (after.eval_loss as number) < Math.LN2);
  assert.deepEqual(
    records.filter((record) => "loss" in record),
    recordsOf(plain),
  );
  assert.ok(readFileSync(join(watched, "model.safetensors")).equals(readFileSync(join(plain, "model.safetensors"))));
});

test("trainer_state.json is what Hugging Face's readers expect, with the records of metrics.jsonl", async () => {
  await result;
  const state = JSON.parse(textOf(watched, "trainer_state.json")) as Json;
  assert.deepEqual(state.log_history, recordsOf(watched));
  const { global_step, max_steps, epoch, eval_steps, logging_steps, save_steps, train_batch_size } = state;
  assert.deepEqual(
    [global_step, max_steps, epoch, eval_steps, logging_steps, save_steps, train_batch_size],
    [4, 4, 1, 2, 1, 2, 4],
  );
});

test("charts, TensorBoard events and a model card that says how to do it again", async () => {
  await result;
  for (const [file, lines] of [
    ["loss.svg", 2],
    ["rewards.svg", 4],
  ] as const)
    assert.equal([...textOf(watched, file).matchAll(/class="line s\d" d="M\d+\.\d /g)].length, lines, file);
  const events = readFileSync(join(watched, "runs", readdirSync(join(watched, "runs"))[0])).toString("latin1");
  for (const tag of ["train/loss", "train/rewards/margins", "eval/loss", "eval/rewards/margins"])
    assert.ok(events.includes(tag), tag);

  const card = textOf(watched, "README.md");
  const front = parse(/^---\n([\s\S]*?)\n---\n/.exec(card)?.[1] ?? "") as Json;
  assert.deepEqual(
    [front.library_name, front.model_name, front.tags],
    ["transformers", "watched", ["taugrad", "dpo", "adamw"]],
  );
  assert.ok(card.includes(`taugrad ${args.join(" ")} ${watching.join(" ")} --output_dir ${watched}`));
  assert.match(card, /\| rewards\/margins \| 0\.\d+ \| 0\.\d+ \|/);
  assert.match(card, /sha256 of what was trained on: `[0-9a-f]{64}`/);
  // The settings of the card are a configuration that gives the same run.
  const settings = parse(/```yaml\n([\s\S]*?)```/.exec(card)?.[1] ?? "") as Json;
  const again = await resolveValues("dpo", new Map(Object.entries(settings)) as never);
  const first = await resolveValues("dpo", new Map(pairsOf([...args.slice(1), ...watching])) as never);
  assert.deepEqual({ ...again, output_dir: "" }, { ...first, output_dir: "" });
});

/** `--key value` and flags as a map's entries. */
const pairsOf = (words: readonly string[]): [string, unknown][] =>
  ["--output_dir", "x", ...words].flatMap((word, i, all): [string, unknown][] =>
    word.startsWith("--") ? [[word.slice(2), all[i + 1]?.startsWith("--") === false ? all[i + 1] : true]] : [],
  );

interface DryRun {
  readonly config: Json;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly samples: readonly SampleRow[];
  readonly memory: Readonly<Record<string, number>>;
  readonly peak_memory_bytes: number;
}

const rehearsal = document<DryRun>([...args, ...watching, "--output_dir", untouched, "--dry-run"]);

test("a dry run writes nothing, shows rows with their masks, and its memory is within 10 % of the measured peak", async () => {
  const dry = await rehearsal;
  assert.ok(!existsSync(untouched));
  assert.deepEqual([dry.steps, dry.stepsPerEpoch, dry.config.learning_rate], [4, 4, 1e-3]);
  for (const { sequences } of dry.samples) {
    assert.deepEqual(
      sequences.map(({ name }) => name),
      ["chosen", "rejected"],
    );
    for (const { ids, mask, targets } of sequences) {
      assert.equal(ids.length, mask.length);
      assert.equal(mask.indexOf(1), ids.length - targets);
      assert.equal(mask.filter((bit) => bit === 1).length, targets);
    }
  }
  const parts = Object.values(dry.memory).reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(parts, dry.peak_memory_bytes);
  const measured = (await result).peak_memory_bytes;
  assert.ok(
    Math.abs(dry.peak_memory_bytes / measured - 1) <= 0.1,
    `planned ${dry.peak_memory_bytes}, measured ${measured}`,
  );
});

test("a dry run for people: targets in brackets, a table of memory", async () => {
  const { samples, memory } = await rehearsal;
  assert.match(printSamples(samples), /chosen: \d+ tokens, \d+ of them learned\n {4}.*⟦.+⟧\n {4}.*\d ⟦\d.*⟧\n/);
  const lines = Object.entries(memory).map(([what, bytes]) => ({ what, bytes }));
  assert.match(
    printMemory(lines),
    /^ {2}weights {2,}[\d.]+ KiB\n(.*\n)* {2}together, at the busiest moment +[\d.]+ MiB$/,
  );
  assert.deepEqual([0, 1023, 1024, 1536 * 1024].map(shownBytes), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
});
