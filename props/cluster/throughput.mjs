/**
 * What two ranks cost: a model of 10.8 million parameters, trained in turn by one process with as many threads as there are ranks, and
 * by that many ranks of one thread, on the rows of the same steps. By hand, on a machine that does nothing else:
 * npm run cluster -- throughput [pairs=5 steps=8 ranks=2 on=openmpi rows=8].
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { drawing } from "./slurm.mjs";

export { missing } from "./mpi.mjs";

import { cli, env, LAUNCHERS } from "./mpi.mjs";

export const name = "throughput";
/** Runs only where it is named. */
export const byHand = true;

const sft = fileURLToPath(new URL("../golden/preferences/sft/", import.meta.url));

/** A model's folder, and rows that are longer than the 256 tokens that are kept of them, so that ranks have as much to do. */
const prepare = async (root) => {
  const { evaluate, key } = await import("taugrad");
  const { initParams, parseConfig, saveModel } = await import("taugrad/models");
  const { open } = await import("taugrad/devices");
  const small = JSON.parse(readFileSync(join(sft, "config.json"), "utf8"));
  const sizes = { hidden_size: 384, intermediate_size: 1024, num_hidden_layers: 6, max_position_embeddings: 512 };
  const heads = { num_attention_heads: 6, num_key_value_heads: 6, layer_types: undefined };
  const config = parseConfig({ ...small, ...sizes, ...heads });
  const device = await open("cpu");
  const params = evaluate(initParams(config, key(0)), device);
  await saveModel(join(root, "model"), { config, params }, { from: sft });
  await device.close();
  const draw = drawing(1);
  const words = "one two three apples pears plums is are left give takes away how many".split(" ");
  const text = (count) => Array.from({ length: count }, () => words[Math.floor(draw() * words.length)]).join(" ");
  const rows = Array.from({ length: 64 }, () => JSON.stringify({ prompt: text(8), completion: text(400) }));
  writeFileSync(join(root, "rows.jsonl"), `${rows.join("\n")}\n`);
};

const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];

export const check = async ({ pairs = "5", steps = "8", ranks = "2", rows = "8", on = "openmpi" }, tell) => {
  const root = mkdtempSync(join(tmpdir(), "taugrad-throughput-"));
  const count = Number(ranks);
  const run = async (processes) => {
    const folder = join(root, `run-${processes}`);
    rmSync(folder, { recursive: true, force: true });
    const words = [process.execPath, cli, "sft", "--model_name_or_path", join(root, "model")];
    words.push("--dataset_name", join(root, "rows.jsonl"), "--output_dir", folder, "--device", "cpu");
    words.push("--max_steps", steps, "--logging_steps", "1", "--max_length", "256", "--save_strategy", "no");
    words.push("--per_device_train_batch_size", String(Number(rows) / processes));
    const launched = processes === 1 ? words : [...LAUNCHERS[on], "-n", String(processes), ...words];
    const threads = { TAUGRAD_THREADS: String(count / processes) };
    const timed = ["-c", 'TIMEFORMAT="took %R %U %S"; time "$@"', "bash", ...launched];
    const child = spawn("bash", timed, { env: { ...env, ...threads }, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    // From the end of the first step, which compiles, to that of the last.
    const times = [];
    const metrics = join(folder, "metrics.jsonl");
    const lines = () =>
      existsSync(metrics)
        ? readFileSync(metrics, "utf8")
            .split("\n")
            .filter((line) => line.endsWith("}"))
        : [];
    while (child.exitCode === null && times.length < Number(steps)) {
      for (const now = performance.now(), count = lines().length; times.length < count; ) times.push(now);
      await pause(5);
    }
    if ((await ended) !== 0) throw new Error(said);
    const tokens = lines().map((line) => JSON.parse(line).num_tokens);
    if (times.length !== Number(steps)) throw new Error(`${times.length} of ${steps} steps were seen`);
    const [, , user, system] = /took (\S+) (\S+) (\S+)/.exec(said).map(Number);
    const speed = (1000 * (tokens.at(-1) - tokens[0])) / (times.at(-1) - times[0]);
    return { speed: Math.round(speed), seconds: user + system };
  };
  try {
    await prepare(root);
    const found = [];
    for (let i = 0; i < Number(pairs); i++) {
      // Whoever comes first is another each time.
      const order = i % 2 === 0 ? [1, count] : [count, 1];
      const by = {};
      for (const processes of order) by[processes] = await run(processes);
      const [one, several] = [by[1], by[count]];
      found.push({ one, several, ratio: several.speed / one.speed });
      tell(
        `${one.speed} tokens/s in one process of ${count} threads (${one.seconds.toFixed(1)} s of processor), ` +
          `${several.speed} by ${count} ranks (${several.seconds.toFixed(1)} s): ${found.at(-1).ratio.toFixed(3)}`,
      );
    }
    const of = (f) => median(found.map(f));
    tell(
      `${on}, medians of ${pairs} pairs of ${steps} steps: ${of(({ one }) => one.speed)} and ${of(({ several }) => several.speed)} tokens/s, ` +
        `ratio ${of(({ ratio }) => ratio).toFixed(3)}; ${of(({ one }) => one.seconds).toFixed(1)} and ${of(({ several }) => several.seconds).toFixed(1)} s of processor`,
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
};
