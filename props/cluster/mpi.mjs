/**
 * One model trained by several ranks, on each MPI that is installed: what one process with the same rows a step does, the same bytes from
 * the same ranks, other ranks from a checkpoint, and through kills, a hung rank and a rank that fails. Settings: steps (12; 50 by hand),
 * kills (1; 20 by hand), seed, on (openmpi, mpich).
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { drawing } from "./slurm.mjs";

export const name = "mpi";

export const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const data = fileURLToPath(new URL("../golden/preferences/", import.meta.url));
export const LAUNCHERS = {
  openmpi: ["mpirun.openmpi", "--oversubscribe"],
  mpich: ["mpirun.mpich"],
};
const isThere = ([command]) => spawnSync(command, ["--version"]).error === undefined;
const present = () => Object.keys(LAUNCHERS).filter((mpi) => isThere(LAUNCHERS[mpi]));

export const missing = () => {
  if (present().length === 0)
    return "neither mpirun.openmpi nor mpirun.mpich is here (apt-get install openmpi-bin mpich)";
  return existsSync(fileURLToPath(new URL("../../node_modules/koffi", import.meta.url)))
    ? undefined
    : "koffi is not installed (npm install koffi)";
};

export const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };
const models = ["--model_name_or_path", join(data, "sft"), "--base_model_name_or_path", join(data, "policy")];
const merged = (optim) => [...models, "--optim", optim, "--alpha", "1e-3", "--reserve_p", "0.5"];
const chat = join(data, "chat.jsonl");
/** Rows of a step over all ranks. */
const ROWS = 8;
const RUNS = {
  adamw: ["dpo", ...models.slice(0, 2), "--dataset_name", chat],
  ondare: ["dpo", ...merged("ondare"), "--dataset_name", chat],
  onties: ["dpo", ...merged("onties"), "--online_step", "3", "--dataset_name", chat],
  kto: ["kto", ...merged("ondare"), "--dataset_name", join(data, "unpaired.jsonl")],
};

/** A run's words after the launcher's. */
const wordsOf = (run, ranks, folder, steps, more) => [
  ...[
    process.execPath,
    cli,
    ...RUNS[run],
    "--output_dir",
    folder,
    "--max_steps",
    String(steps),
    "--logging_steps",
    "1",
  ],
  ...["--learning_rate", "1e-4", "--device", "cpu", "--lr_scheduler_type", "constant"],
  ...["--per_device_train_batch_size", String(ROWS / ranks), ...more],
];
const launched = (mpi, ranks, words) => (ranks === 1 ? words : [...LAUNCHERS[mpi], "-n", String(ranks), ...words]);

const lossesIn = (folder) =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .filter((line) => line.endsWith("}")) // one is being written
    .map((line) => JSON.parse(line).loss);
const farthest = (a, b) => {
  assert.equal(a.length, b.length, "as many records");
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);
};
const LIMIT = 1e-6;

export const check = async ({ steps = "12", kills = "1", seed = String(Date.now() % 1e6), on }, tell) => {
  const root = mkdtempSync(join(tmpdir(), "taugrad-mpi-"));
  const place = (folder) => join(root, folder);
  const draw = drawing(Number(seed));
  const run = (mpi, ranks, folder, what, count, ...more) => {
    const [command, ...args] = launched(mpi, ranks, wordsOf(what, ranks, place(folder), count, more));
    return spawnSync(command, args, { env, encoding: "utf8", timeout: 300_000 });
  };
  const trained = (...args) => {
    const { status, stderr } = run(...args);
    assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
    return lossesIn(place(args[2]));
  };
  const count = Number(steps);
  try {
    for (const mpi of on === undefined ? present() : on.split(",")) {
      for (const what of Object.keys(RUNS)) {
        const one = existsSync(place(what)) ? lossesIn(place(what)) : trained(mpi, 1, what, what, count);
        // Some ranks are enough where time is short.
        for (const ranks of count < 50 ? [what === "kto" ? 4 : 2] : [2, 4]) {
          const far = farthest(one, trained(mpi, ranks, `${mpi}-${what}-${ranks}`, what, count));
          tell(
            `${mpi}: ${what}, ${ranks} ranks: losses of ${count} steps within ${far.toExponential(1)} of one process's`,
          );
          assert.ok(far <= LIMIT, `${far} is more than ${LIMIT}`);
        }
      }
      trained(mpi, 2, `${mpi}-again`, "ondare", count);
      const model = (folder) => readFileSync(join(place(folder), "model.safetensors"));
      assert.ok(model(`${mpi}-again`).equals(model(`${mpi}-ondare-2`)), "the same ranks give the same bytes");

      await rarely(mpi);

      const [third, twice] = [Math.ceil(count / 3), Math.ceil((2 * count) / 3)];
      const every = ["--save_steps", "2"];
      trained(mpi, 4, `${mpi}-resumed`, "ondare", third, ...every);
      trained(mpi, 2, `${mpi}-resumed`, "ondare", twice, ...every, "--resume");
      const resumed = farthest(
        lossesIn(place("ondare")),
        trained(mpi, 1, `${mpi}-resumed`, "ondare", count, "--resume"),
      );
      tell(`${mpi}: resumed with 4, 2 and 1 ranks: within ${resumed.toExponential(1)}`);
      assert.ok(resumed <= LIMIT);

      await killed(mpi, Number(kills), count);
      const hung = await silenced(mpi);
      tell(`${mpi}: a rank that hangs: ${hung}`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }

  /** Two ranks that meet every third step: the same bytes from a checkpoint, and none between meetings. */
  async function rarely(mpi) {
    const words = [
      "--communicate",
      "every_k",
      "--communicate_steps",
      "3",
      "--meet",
      "election",
      "--outer_momentum",
      "0.5",
    ];
    const every = [...words, "--save_steps", "3"];
    trained(mpi, 2, `${mpi}-rarely`, "adamw", 6, ...every);
    rmSync(join(place(`${mpi}-rarely`), "checkpoint-6"), { recursive: true });
    const model = () => readFileSync(join(place(`${mpi}-rarely`), "model.safetensors"));
    const whole = model();
    trained(mpi, 2, `${mpi}-rarely`, "adamw", 6, ...every, "--resume");
    assert.ok(model().equals(whole), "resumed at a meeting: the same bytes");
    const { status, stderr } = run(mpi, 2, `${mpi}-refused`, "adamw", 6, ...words, "--save_steps", "2");
    assert.ok(status !== 0 && stderr.includes("communicate_steps 3: step 2 has a checkpoint"), stderr);
    tell(`${mpi}: 2 ranks that meet every third step: resumed with the same bytes`);
  }

  /** Processes of a run's ranks, by the folder that they write to. */
  function ranksOf(folder) {
    return spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" })
      .stdout.split("\n")
      .map((line) => line.trim())
      .filter(
        (line) =>
          line.includes(`${cli} `) && line.includes(`${folder} `) && !/^\d+ \S*(mpirun|hydra|orted|prte)/.test(line),
      )
      .map((line) => Number(line.split(" ")[0]));
  }

  /** Starts a run, and some milliseconds after its ranks are there and it has `begun`, calls `act` with them. */
  async function disturbed(mpi, folder, words, late, act, begun) {
    const [command, ...args] = launched(mpi, 2, words);
    const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    for (let tries = 0; ranksOf(folder).length < 2 && tries < 100 && child.exitCode === null; tries++) await pause(50);
    for (let tries = 0; !begun() && tries < 6000 && child.exitCode === null; tries++) await pause(10);
    await pause(late);
    const ranks = ranksOf(folder);
    if (ranks.length > 0) act(ranks);
    return { code: await ended, said: () => said };
  }

  async function killed(mpi, times, count) {
    const folder = place(`${mpi}-killed`);
    const words = () =>
      wordsOf("ondare", 2, folder, count, ["--save_steps", "2", ...(existsSync(folder) ? ["--resume"] : [])]);
    const saved = () =>
      existsSync(folder)
        ? Math.max(0, ...readdirSync(folder).map((file) => Number(/^checkpoint-(\d+)$/.exec(file)?.[1] ?? 0)))
        : 0;
    const logged = () => (existsSync(join(folder, "metrics.jsonl")) ? lossesIn(folder).length : 0);
    let done = 0;
    while (done < times) {
      // Some steps after the last checkpoint, or at the start where more was logged before the last kill.
      const until = saved() + 1 + Math.floor(3 * draw());
      if (until >= count) break;
      await disturbed(
        mpi,
        folder,
        words(),
        100 * draw(),
        (ranks) => {
          process.kill(ranks[Math.floor(draw() * ranks.length)], "SIGKILL");
          done++;
        },
        () => logged() >= until,
      );
    }
    const far = farthest(lossesIn(place("ondare")), trained(mpi, 2, `${mpi}-killed`, "ondare", count, "--resume"));
    tell(`${mpi}: ${done} ranks killed, and resumed: within ${far.toExponential(1)}`);
    assert.ok(far <= LIMIT);
  }

  async function silenced(mpi) {
    const folder = place(`${mpi}-hung`);
    const words = wordsOf("ondare", 2, folder, 100_000, ["--ddp_timeout", "5", "--save_strategy", "no"]);
    let stopped;
    const { code, said } = await disturbed(
      mpi,
      folder,
      words,
      500,
      (ranks) => {
        stopped = Math.max(...ranks);
        process.kill(stopped, "SIGSTOP");
      },
      () => existsSync(join(folder, "metrics.jsonl")),
    );
    assert.notEqual(code, 0);
    const line = said()
      .split("\n")
      .find((text) => text.includes(`process ${stopped}`) && text.includes("not heard of"));
    assert.ok(line !== undefined, said());
    return line;
  }
};
