/**
 * The lab on Slurm, which gives the bytes of a lab on one machine: undisturbed, and through kills of tasks, of their processes, of
 * Slurm's daemons and of who submits. Nothing is lost, and nothing done twice. Settings: lab (smoke3, quick …), kills, seed.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NODES, startSlurm } from "./slurmd.mjs";

export const name = "slurm";
export { missing } from "./slurmd.mjs";

const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const SIZES = {
  smoke: ["--smoke"],
  smoke3: ["--smoke", "--seeds", "3"],
  smoke6: ["--smoke", "--seeds", "6"],
  quick1: ["--quick", "--seeds", "1"],
  quick: ["--quick"],
};
/** Tasks of an array. */
const TASKS = 4;

/** Every file that makes a lab's results, by a digest of its bytes. */
const bytesOf = (folder) => {
  const paths = [
    "results.json",
    "report.html",
    ...readdirSync(join(folder, "cache")).map((file) => join("cache", file)),
  ];
  return Object.fromEntries(
    paths.sort().map((path) => [
      path,
      createHash("sha256")
        .update(readFileSync(join(folder, path)))
        .digest("hex"),
    ]),
  );
};

/** How often each job's claims say that it was done. */
const timesDone = (folder) => {
  const times = new Map();
  for (const file of readdirSync(join(folder, "claims"))) {
    const [id] = file.split(".");
    const isDone = readFileSync(join(folder, "claims", file), "utf8").includes('{"end":"done"');
    times.set(id, (times.get(id) ?? 0) + (isDone ? 1 : 0));
  }
  return times;
};

/** A generator of numbers in [0, 1) from a seed (mulberry32). */
export const drawing = (seed) => {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

const lines = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** The processes that hold a job of this folder just now. */
const holdersIn = (folder) => {
  const claims = join(folder, "claims");
  const said = existsSync(claims) ? readdirSync(claims).map((file) => readFileSync(join(claims, file), "utf8")) : [];
  return said.flatMap((text) => {
    const [who, how] = text.split("\n");
    return who !== "" && how === "" ? [JSON.parse(who).pid] : [];
  });
};

/** The processes of tasks of this folder. */
const processesOf = (folder) =>
  lines(spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).stdout)
    .filter((line) => line.includes(cli) && line.includes(`--output-dir ${folder} `))
    .map((line) => Number(line.split(" ")[0]));

export const check = async ({ lab = "smoke3", kills = "10", seed = String(Date.now() % 1e6) }, tell) => {
  if (SIZES[lab] === undefined) throw new Error(`lab=${lab}: is none of ${Object.keys(SIZES).join(", ")}`);
  const root = mkdtempSync(join(tmpdir(), "taugrad-slurm-"));
  const place = (folder) => ["lab", ...SIZES[lab], "--output-dir", join(root, folder)];
  const slurm = await startSlurm(root);
  const taugrad = (...args) =>
    execFileSync(process.execPath, [cli, ...args], {
      env: slurm.env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  const submission = (folder) => [...place(folder), "--scheduler", "slurm", "--submit", "--array", String(TASKS)];
  const queued = () => lines(slurm.run("squeue", "-h", "-r", "-o", "%i %T"));
  /** Waits until Slurm has nothing to do; its controller may be gone for a moment. */
  const idle = async () => {
    for (let tries = 0; ; tries++) {
      try {
        if (queued().length === 0) return;
        tries = 0;
      } catch (error) {
        if (tries > 100) throw error;
      }
      await pause(300);
    }
  };
  const checkSame = (folder) => {
    assert.deepEqual(bytesOf(join(root, folder)), bytesOf(join(root, "alone")), "the bytes of a lab on one machine");
    const { jobs, done, failed, running, repeated } = JSON.parse(taugrad(...place(folder), "--status", "--json"));
    assert.deepEqual({ done, failed, running, repeated }, { done: jobs, failed: [], running: [], repeated: [] });
    const times = timesDone(join(root, folder));
    assert.deepEqual(
      [...times.values()].filter((count) => count !== 1),
      [],
      "every job is done once",
    );
    return { jobs, claims: readdirSync(join(root, folder, "claims")).length };
  };
  let passed = false;
  try {
    taugrad(...place("alone"));

    const [times, began] = [Number(kills), performance.now()];
    // One kill goes by a job, several are spread over the time that it takes undisturbed.
    if (times !== 1) {
      tell(
        taugrad(...submission("array"))
          .trim()
          .replaceAll("\n", "; "),
      );
      await idle();
      const { jobs } = checkSame("array");
      tell(
        `${jobs} jobs over arrays of ${TASKS}: the bytes of a local run, each job once, in ${((performance.now() - began) / 1000).toFixed(0)} s`,
      );
    }
    if (times > 0) {
      const draws = { seed: Number(seed), kills: times, every: (performance.now() - began) / times };
      const done = await disturbed({ slurm, root, submission, queued, idle, tell, ...draws });
      taugrad(...place("disturbed"));
      const { jobs, claims } = checkSame("disturbed");
      tell(
        `seed=${seed}: ${done}: the same bytes; ${claims} claims, each of ${jobs} jobs done once, in ${((performance.now() - began) / 1000).toFixed(0)} s`,
      );
    }
    passed = true;
  } finally {
    try {
      slurm.run("scancel", "--signal=KILL", "--full", "-u", String(process.getuid()));
    } catch {
      // nothing runs, or its controller is gone: the daemons are stopped anyhow
    }
    await slurm.stop();
    if (passed) rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    else tell(`what is left lies in ${root}`);
  }
};

/** Submits until all is done, and kills on the way; says what was killed. */
const disturbed = async ({ slurm, root, submission, queued, idle, every, seed, kills, tell }) => {
  const draw = drawing(seed);
  const one = (list) => list[Math.floor(draw() * list.length)];
  const folder = join(root, "disturbed");
  const counts = {};
  const running = () =>
    queued()
      .filter((line) => line.endsWith(" RUNNING"))
      .map((line) => line.split(" ")[0]);
  const killed = (pid) => {
    if (pid === undefined) return false;
    try {
      process.kill(pid, "SIGKILL");
      return true;
    } catch {
      return false; // it has just ended
    }
  };
  const WAYS = {
    "task killed": () => {
      const task = one(running());
      if (task !== undefined) slurm.run("scancel", "--signal=KILL", "--full", task);
      return task !== undefined;
    },
    "task requeued": () => {
      const task = one(running());
      if (task !== undefined) slurm.run("scontrol", "requeue", task);
      return task !== undefined;
    },
    "process killed": () => killed(one(processesOf(folder))),
    "process killed at its job": () => killed(one(holdersIn(folder))),
    "slurmd killed": async () => {
      const node = one(NODES);
      slurm.kill(node);
      await pause(300);
      slurm.start(node);
      return true;
    },
    "slurmctld killed": async () => {
      slurm.kill("slurmctld");
      await pause(300);
      slurm.start("slurmctld");
      return true;
    },
  };
  /** Hands all that is left to Slurm; now and then who does so is killed on the way. */
  const hand = async (after) => {
    const child = spawn(process.execPath, [cli, ...submission("disturbed")], {
      env: slurm.env,
      stdio: "ignore",
      detached: true,
    });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    if (after === undefined) return ended;
    await pause(after);
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      return ended; // it was faster
    }
    met("submission killed");
    return ended;
  };
  const total = () => Object.values(counts).reduce((sum, count) => sum + count, 0);
  const met = (way) => {
    counts[way] = 1 + (counts[way] ?? 0);
  };
  if (kills > 1) await hand(200 + 600 * draw());
  await hand();
  // However few they are, one meets a job.
  for (let tries = 0; !WAYS["process killed at its job"](); tries++) {
    if (tries > 6000) throw new Error("no task has taken a job for a minute");
    await pause(10);
  }
  met("process killed at its job");
  for (let rounds = 0; total() < kills; rounds++) {
    if (rounds > 40 * kills) throw new Error(`only ${total()} of ${kills} kills met anything; choose a larger lab`);
    await pause(2 * every * draw());
    try {
      if (queued().length === 0) {
        if (existsSync(join(folder, "results.json"))) break;
        await hand();
        continue;
      }
      const way = one(Object.keys(WAYS));
      if (await WAYS[way]()) met(way);
    } catch (error) {
      if (rounds > 30 * kills) throw error; // a daemon that starts just now answers later
    }
  }
  if (total() < kills) tell(`all was done after ${total()} kills`);
  await idle();
  while (!existsSync(join(folder, "results.json"))) {
    await hand();
    await idle();
  }
  return Object.entries(counts)
    .map(([way, count]) => `${count} × ${way}`)
    .join(", ");
};
