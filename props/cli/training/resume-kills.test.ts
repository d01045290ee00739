/**
 * Law: a run that is killed at any instants, and resumed each time, leaves the bytes of the run that was not.
 * RESUME_KILLS and RESUME_STEPS make it longer; RESUME_SEED repeats the instants.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { goldenPath } from "../../golden/files.js";
import { command, scratch } from "../cli.js";

const kills = Number(process.env.RESUME_KILLS ?? 1);
const steps = Number(process.env.RESUME_STEPS ?? 18);
const folder = scratch();
const [policy, sft] = ["policy", "sft"].map((name) => goldenPath("preferences", name));
const saves = 3;

const training = [
  ...[...command, "dpo", "--resume", "--device", "cpu", "--output_dir", "out", "--max_steps", String(steps)],
  ...["--model_name_or_path", policy, "--ref_model_name_or_path", sft, "--base_model_name_or_path", policy],
  ...["--dataset_name", goldenPath("preferences", "chat.jsonl"), "--max_length", "96", "--learning_rate", "1e-3"],
  ...["--optim", "ondare", "--alpha", "1e-3", "--reserve_p", "0.5", "--online_step", "4", "--logging_steps", "1"],
  ...["--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "2", "--lr_scheduler_type", "cosine"],
  ...["--save_steps", String(saves), "--save_total_limit", "2"],
];

/** The last step in metrics.jsonl. */
const reached = (cwd: string): number => {
  const file = join(cwd, "out", "metrics.jsonl");
  return existsSync(file) ? Number(readFileSync(file, "utf8").match(/"step":(\d+)[^\n]*\n$/)?.[1] ?? 0) : 0;
};

/** When to kill: so many milliseconds after it began, or after it has told of a step. */
interface Kill {
  readonly after: number;
  readonly step?: number;
}

/** Starts the run in a folder of its own, and kills it, if it still runs then. */
const start = (cwd: string, kill?: Kill): Promise<"ended" | "killed"> =>
  new Promise((resolve, reject) => {
    mkdirSync(cwd, { recursive: true });
    const child = spawn(process.execPath, training, {
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const shoot = ({ after }: Kill) => setTimeout(() => child.kill("SIGKILL"), after);
    const watch = setInterval(() => {
      if (kill === undefined || (kill.step !== undefined && reached(cwd) < kill.step)) return;
      clearInterval(watch);
      shoot(kill);
    }, 3);
    child.on("error", reject).on("close", (code, signal) => {
      clearInterval(watch);
      if (code === 0 || signal === "SIGKILL") resolve(code === 0 ? "ended" : "killed");
      else reject(new Error(`exit code ${code}\n${said}`));
    });
  });

/** Numbers in [0, 1), some function of a seed. Source: mulberry32. */
const draws = (from: number): (() => number) => {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

test(`${kills} kills at random instants of ${steps} steps of OnDARE with step-K leave the undisturbed run's bytes`, async (t) => {
  const [whole, killed] = ["whole", "killed"].map((name) => join(folder, name));
  await start(whole);

  const from = Number(process.env.RESUME_SEED ?? process.env.FC_SEED ?? Date.now());
  t.diagnostic(`RESUME_SEED=${from} repeats these instants`);
  const draw = draws(from);
  // Most of them somewhere in or after a step, a checkpoint's writing among it; some before the first.
  const targets = Array.from({ length: kills }, () => 1 + Math.floor(draw() * (steps - 6))).sort((a, b) => a - b);
  let [hits, unfinished] = [0, 0];
  for (const step of targets) {
    const early = draw() < 0.15;
    const how = await start(killed, early ? { after: 1000 * draw() } : { step, after: 60 * draw() });
    const left = existsSync(join(killed, "out")) ? readdirSync(join(killed, "out")) : [];
    if (left.some((name) => name.endsWith(".tmp"))) unfinished++;
    if (how === "ended") break;
    hits++;
  }
  assert.ok(hits > 0, "the run was killed at least once");
  await start(killed);
  t.diagnostic(`${hits} kills hit, ${unfinished} of them while something was written`);

  const files = readdirSync(join(whole, "out")).filter((name) => statSync(join(whole, "out", name)).isFile());
  assert.ok(files.includes("model.safetensors") && files.includes("metrics.jsonl"));
  const bytes = (run: string, name: string) => readFileSync(join(run, "out", name));
  for (const name of files.filter((file) => file !== "README.md"))
    assert.ok(bytes(killed, name).equals(bytes(whole, name)), `${name} differs`);
  assert.deepEqual(
    readdirSync(join(killed, "out")).filter((name) => name !== "runs"),
    readdirSync(join(whole, "out")).filter((name) => name !== "runs"),
    "the same files, checkpoints among them",
  );
});
