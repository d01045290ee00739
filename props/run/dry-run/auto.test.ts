/** What auto stands for: as much as memory asks for, and the same numbers. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { document, scratch, succeeds } from "../../cli/cli.js";
import { goldenPath } from "../../golden/files.js";

const folder = scratch();
const run = [
  ...["dpo", "--model_name_or_path", goldenPath("preferences", "policy"), "--device", "cpu"],
  ...["--dataset_name", goldenPath("preferences", "chat.jsonl"), "--max_length", "64", "--max_steps", "2"],
  ...["--per_device_train_batch_size", "4", "--learning_rate", "1e-3", "--logging_steps", "1"],
];

interface Told {
  readonly recomputed_layers: number;
  readonly reference_asked_before: boolean;
  readonly memory: Readonly<Record<string, number>>;
  readonly peak_memory_bytes: number;
}

/** Side by side, each with a folder of its own: that it can be written is tried by making it. */
let runs = 0;
const dry = (...more: string[]): Promise<Told> =>
  document<Told>([...run, "--output_dir", join(folder, `none${runs++}`), "--dry_run", ...more]);

/** The option for a device that has just room for so many bytes. */
const roomFor = (bytes: number): string[] => ["--device_memory", `${(1.0001 * bytes) / 0.95 / 2 ** 30}`];

test("auto asks the reference beforehand where both do not fit, and recomputes as few layers as must be", async () => {
  const [plain, asked, recomputed] = await Promise.all([
    dry(),
    dry("--precompute_ref_log_probs", "--no-gradient_checkpointing"),
    dry("--precompute_ref_log_probs", "--gradient_checkpointing"),
  ]);
  assert.ok(recomputed.peak_memory_bytes < asked.peak_memory_bytes);
  assert.ok(asked.peak_memory_bytes < plain.peak_memory_bytes);
  const settled = await Promise.all(
    [plain, asked, recomputed].map(({ peak_memory_bytes: bytes }) => dry(...roomFor(bytes))),
  );
  assert.deepEqual(
    settled.map(({ recomputed_layers: layers, reference_asked_before: before }) => [layers > 0, before]),
    [
      [false, false],
      [false, true],
      [true, true],
    ],
  );
  for (const [i, { peak_memory_bytes: most }] of [plain, asked, recomputed].entries())
    assert.ok(settled[i].peak_memory_bytes <= 1.0001 * most);
});

test("what auto finds is told, and the steps are the same", async () => {
  const losses = await Promise.all(
    [[], ["--device_memory", "0.0001"]].map(async (more, i) => {
      const out = join(folder, `run-${i}`);
      const { stderr } = await succeeds([...run, "--output_dir", out, ...more]);
      assert.equal(/auto: \d+ of \d+ layers are recomputed/.test(stderr), i === 1, stderr);
      assert.equal(/auto: the reference model is asked before training/.test(stderr), i === 1, stderr);
      assert.equal(
        /warning: the run takes [\d.]+ \S+ of memory, and there are [\d.]+ KiB/.test(stderr),
        i === 1,
        stderr,
      );
      const lines = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n");
      return lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
    }),
  );
  for (const [i, loss] of losses[0].entries()) assert.ok(Math.abs(loss - losses[1][i]) <= 1e-5);
});

test("an adapter's base is the reference too, and lies on the device once", async () => {
  const [alone, compared] = await Promise.all([
    dry("--use_peft", "--loss_type", "simpo"),
    dry("--use_peft", "--loss_type", "sigmoid"),
  ]);
  const base = compared.memory["weights that an adapter leaves as they are"];
  assert.ok(base > 0);
  assert.equal(compared.memory["reference model"], 0);
  assert.ok(compared.peak_memory_bytes < alone.peak_memory_bytes + base / 2);
});
