/** A run that is stopped, fails or finds its folder in disorder loses nothing, and says so in one line. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { checkpointsIn, damageOf } from "../../../align/training/checkpoint.js";
import { goldenPath } from "../../golden/files.js";
import { command, lastOf, scratch, succeeds, taugrad } from "../cli.js";
import { type Ended, inside } from "../inside.js";

const folder = scratch();
const policy = goldenPath("preferences", "policy");
const posix = { skip: process.platform === "win32" ? "signals and limits are POSIX's" : false };

/** Steps of SFT on eight rows, into a folder of that name. */
const training = (name: string, steps: number, ...more: readonly string[]): string[] => {
  const data = join(folder, "rows.jsonl");
  if (!existsSync(data))
    writeFileSync(
      data,
      Array.from(
        { length: 8 },
        (_, i) => `${JSON.stringify({ prompt: `say ${i}`, completion: "no ".repeat(i + 1) })}\n`,
      ).join(""),
    );
  return [
    ...["sft", "--model_name_or_path", policy, "--dataset_name", data, "--output_dir", join(folder, name)],
    ...["--device", "cpu", "--max_length", "32", "--per_device_train_batch_size", "4", "--learning_rate", "1e-3"],
    ...["--logging_steps", "1", "--max_steps", String(steps), ...more],
  ];
};
const file = (name: string, path: string) => join(folder, name, path);
const refusal = ({ code, stderr }: Ended, message: RegExp): void => {
  assert.equal(code, 2, stderr);
  const said = stderr.trimEnd().split("\n").at(-1) ?? "";
  assert.match(said, /^taugrad: /);
  assert.match(said, message);
  assert.ok(!stderr.includes("    at "), "no stack trace");
};
const unfinished = (name: string): string[] =>
  readdirSync(join(folder, name)).filter((entry) => entry.includes(".tmp"));

/** Starts a run, and sends signals once it has taken some steps. */
const interrupted = (args: readonly string[], out: string, signals: readonly NodeJS.Signals[]): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...command, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const watch = setInterval(() => {
      if (!existsSync(join(out, "metrics.jsonl")) || readFileSync(join(out, "metrics.jsonl")).length === 0) return;
      clearInterval(watch);
      for (const signal of signals) child.kill(signal);
    }, 3);
    child.on("error", reject).on("close", (code) => {
      clearInterval(watch);
      resolve({ code, stdout: "", stderr });
    });
  });

test("SIGTERM ends a run after its step with a checkpoint that the run goes on from", posix, async () => {
  const endless = training("term", 1_000_000);
  const { code, stderr } = await interrupted(endless, file("term", ""), ["SIGTERM"]);
  assert.equal(code, 143, stderr);
  assert.match(
    stderr,
    /\ntaugrad: stopped by SIGTERM after step \d+ of 1000000; --resume goes on from [^\n]*checkpoint-\d+\n$/,
  );
  const [checkpoint, ...more] = checkpointsIn(file("term", ""));
  assert.deepEqual([more, await damageOf(checkpoint.folder), unfinished("term")], [[], undefined, []]);
  const steps = checkpoint.step + 2;
  const resumed = await succeeds([...training("term", steps), "--resume"]);
  assert.match(resumed.stderr, new RegExp(`going on from \\S+, after step ${checkpoint.step} of ${steps}\n`));
  assert.match(resumed.stderr, /note: max_steps was 1000000 and is \d+ now: the learning rate follows/);
  const lines = readFileSync(file("term", "metrics.jsonl"), "utf8").trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { step: number }).step),
    Array.from({ length: steps }, (_, i) => i + 1),
  );
});

test(
  "without standard error, and with SIGHUP, a run is saved; no second one writes there meanwhile",
  posix,
  async () => {
    const out = file("hang", "");
    // Its standard error is a pipe that nobody reads any more; on a busy machine it is past step 500 when the second one has ended.
    const child = spawn(process.execPath, [...command, ...training("hang", 1_000_000, "--save_steps", "1000000")], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
    });
    child.stderr.destroy();
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const metrics = file("hang", "metrics.jsonl");
    while (child.exitCode === null && !(existsSync(metrics) && readFileSync(metrics).length > 0)) await pause(5);
    const seen = readFileSync(metrics, "utf8").length;
    refusal(
      await taugrad(training("hang", 3, "--overwrite_output_dir")),
      /hang: taugrad sft \(process \d+ on \S+, since .* writes there/,
    );
    child.kill("SIGUSR1"); // opens no debugger's port
    child.kill("SIGHUP");
    assert.equal(await ended, 129);
    const [checkpoint, ...more] = checkpointsIn(out);
    assert.deepEqual([more, await damageOf(checkpoint.folder), unfinished("hang")], [[], undefined, []]);
    assert.ok(readFileSync(metrics, "utf8").length >= seen);
    assert.ok(!readdirSync(out).includes(".taugrad.lock"));
  },
);

test("a folder of another run is refused, and replaced where that is asked for; one that goes in mid-run is made again", async () => {
  const rows = (name: string): number[] =>
    readFileSync(file(name, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { step: number }).step);
  await succeeds(training("own", 2));
  await succeeds(training("own", 2)); // the same run
  refusal(
    await inside(training("own", 3)),
    /own holds README\.md, .* of another run \(other max_steps\), which would be/,
  );
  assert.deepEqual(rows("own"), [1, 2]);
  // The last step is 40; the folder goes after the first ones.
  const going = taugrad(training("own", 40, "--overwrite_output_dir"));
  const metrics = file("own", "metrics.jsonl");
  while (!readFileSync(metrics, "utf8").includes('"step":3,')) await pause(5);
  renameSync(file("own", ""), file("went", ""));
  const { code, stderr } = await going;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /note: \S+own: README\.md, .* of another run \(other max_steps\) will be replaced\n/);
  assert.match(stderr, /warning: \S+own was removed or renamed meanwhile; it is made again/);
  assert.deepEqual(
    rows("own"),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
  assert.ok(existsSync(file("own", "model.safetensors")) && !existsSync(file("own", ".taugrad.lock")));
});

test("a second signal ends a run at once", posix, async () => {
  const { code, stderr } = await interrupted(training("twice", 1_000_000), file("twice", ""), ["SIGINT", "SIGTERM"]);
  assert.ok(code === 143 || code === 130 || code === null, `${code}`);
  assert.doesNotMatch(stderr, /goes on from/);
  assert.deepEqual(checkpointsIn(file("twice", "")), []);
});

test("what is not the same run is refused by the names of its keys", async () => {
  const args = (...more: readonly string[]) => training("same", 3, "--save_steps", "2", ...more);
  await succeeds(args());
  refusal(await inside(args()), /holds checkpoint-2 of an earlier run; add --resume to go on/);
  refusal(
    await inside(lastOf(args("--resume", "--seed", "7", "--learning_rate", "2e-3"))),
    /checkpoint-2 belongs to another run: learning_rate was 0\.001 and is 0\.002, seed was 42 and is 7;/,
  );
  const rows = join(folder, "rows.jsonl");
  const before = readFileSync(rows, "utf8");
  writeFileSync(rows, before.replace("say 3", "says 3"));
  refusal(await inside(args("--resume")), /belongs to another run: dataset_name is not what it was;/);
  const without = args("--resume");
  rmSync(rows);
  refusal(await inside(without), /rows\.jsonl/);
  writeFileSync(rows, before);
  refusal(
    await inside([...training("same", 1), "--resume"]),
    /stands at step 2, and the run ends at 1; raise max_steps/,
  );
  refusal(await inside(args("--resume", join(folder, "nowhere"))), /resume: \S+nowhere is no folder/);
  const moved = await succeeds(args("--resume", file("same", "checkpoint-2"), "--output_dir", join(folder, "moved")));
  assert.match(moved.stderr, /going on from \S+checkpoint-2, after step 2 of 3/);
  assert.ok(readFileSync(file("moved", "model.safetensors")).equals(readFileSync(file("same", "model.safetensors"))));
});

test("a damaged checkpoint is named and the one before it used; where all are damaged nothing is begun", async () => {
  const args = training("damaged", 5, "--save_steps", "2");
  await succeeds(args);
  const whole = readFileSync(file("damaged", "model.safetensors"));
  const state = file("damaged", "checkpoint-4/training_state.safetensors");
  const bytes = readFileSync(state);
  bytes[bytes.length >> 1] ^= 4;
  writeFileSync(state, bytes);
  const { stderr } = await succeeds([...args, "--resume"]);
  assert.match(
    stderr,
    /checkpoint-4 is damaged \(training_state\.safetensors is not as it was written\); going on from checkpoint-2/,
  );
  assert.ok(readFileSync(file("damaged", "model.safetensors")).equals(whole));
  assert.equal(await damageOf(file("damaged", "checkpoint-4")), undefined, "written anew");
  for (const [name, gone] of [
    ["checkpoint-2", "training_state.safetensors"],
    ["checkpoint-4", "model.safetensors"],
  ]) {
    const manifest = file("damaged", `${name}/manifest.json`);
    const { files, ...rest } = JSON.parse(readFileSync(manifest, "utf8"));
    delete files[gone];
    writeFileSync(manifest, JSON.stringify({ ...rest, files }));
  }
  refusal(
    await inside([...args, "--resume"]),
    /checkpoint-4 is damaged \(its manifest knows of no model\.safetensors\), \S+checkpoint-2 is damaged \(its manifest knows of no training_state\.safetensors\); no checkpoint is whole/,
  );
});

test("a checkpoint that cannot be written ends the run in one line, and the one before it stays", posix, async () => {
  const name = "full";
  await succeeds(training(name, 2, "--save_steps", "2"));
  // No file may be longer than 256 KiB: what a full disk does, where writing goes on.
  const args = [...training(name, 4, "--save_steps", "2"), "--resume"];
  const limited = await new Promise<Ended>((resolve) => {
    const child = spawn(
      "/bin/bash",
      ["-c", 'trap "" XFSZ; ulimit -f 256; exec "$@"', "run", process.execPath, ...command, ...args],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
      },
    );
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("close", (code) => resolve({ code, stdout: "", stderr }));
  });
  refusal(limited, /full: checkpoint-4 could not be written \(.*EFBIG.*\); checkpoint-2 is as it was$/);
  assert.equal(await damageOf(file(name, "checkpoint-2")), undefined);
  assert.deepEqual(unfinished(name), []);
  await succeeds(args);
});

test("metrics that cannot be written end the run in one line", posix, async () => {
  mkdirSync(file("device", ""));
  symlinkSync("/dev/full", file("device", "metrics.jsonl"));
  refusal(
    await inside(training("device", 2)),
    /device holds metrics\.jsonl that no run has signed.*--overwrite_output_dir/,
  );
  refusal(await inside(training("device", 2, "--overwrite_output_dir")), /metrics\.jsonl: cannot be written \(ENOSPC/);
});

test("a run that cannot fit is refused at the start, by tensor, bytes, limit and what would fit", async () => {
  // One long row, and padding for the others: half a million tokens.
  const rows = join(folder, "long.jsonl");
  writeFileSync(rows, `${JSON.stringify({ prompt: "say", completion: "no ".repeat(120) })}\n`);
  const sizes = ["--per_device_train_batch_size", "4608", "--max_length", "128", "--no-gradient_checkpointing"];
  const args = training("large", 1, "--dataset_name", rows, ...sizes);
  refusal(
    await taugrad(args),
    /^taugrad: cpu: the run takes [\d.]+ GiB of memory, and there are [\d.]+ GiB; the largest tensor is \w+ f32\[[\d,]+\], \d{9,} bytes; this would fit: \w+: \w+(, .*)?(; Node 24 or later: .*)?$/,
  );
  assert.ok(!existsSync(file("large", "")), "nothing is written");
});
