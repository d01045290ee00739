/** `taugrad lab` as a user runs it: its budget, its refusals, and a lab that is killed and started again. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { command, document, scratch, succeeds } from "../cli/cli.js";
import { inside } from "../cli/inside.js";

interface Budget {
  readonly size: string;
  readonly jobs: number;
  readonly pending: number;
  readonly seconds: number;
}

test("lab --dry-run: the whole, rivals and all, fits into an hour of two cores, --quick into three minutes, by the cost model", async () => {
  const folder = scratch();
  for (const [flags, minutes, least] of [
    [[], 60, 400],
    [["--quick"], 3, 60],
  ] as const) {
    const out = join(folder, "lab");
    const { size, jobs, pending, seconds } = await document<Budget>([
      "lab",
      ...flags,
      "--dry-run",
      "--output-dir",
      out,
    ]);
    assert.equal(size, flags.length > 0 ? "quick" : "full");
    assert.ok(pending === jobs && jobs >= least, `${jobs} jobs`);
    assert.ok(seconds < 2 * 60 * minutes, `${seconds} seconds of one core`);
    assert.ok(!existsSync(out), "a dry run writes nothing");
  }
});

test("lab: refuses two sizes, no processes, and a file where its folder should be", async () => {
  const file = join(scratch(), "file");
  writeFileSync(file, "");
  for (const [args, said] of [
    [["--quick", "--smoke"], /^taugrad: --quick and --smoke are two sizes of the lab; choose one\n$/],
    [["--processes", "0"], /^taugrad: --processes is "?0"?; it must be an integer in \[1, 256\]\n$/],
    [["--smoke", "--output-dir", file], /file: cannot be written to \(ENOTDIR: .*\)\n$/],
  ] as const) {
    const { code, stderr, stdout } = await inside(["lab", ...args]);
    assert.deepEqual([code, stdout, stderr.split("\n").length], [2, "", 2], stderr);
    assert.match(stderr, said);
  }
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** The processes that a process started (Linux only). */
const childrenOf = ({ pid }: ChildProcess): number[] => {
  const file = `/proc/${pid}/task/${pid}/children`;
  return existsSync(file) ? readFileSync(file, "utf8").trim().split(" ").filter(Boolean).map(Number) : [];
};

/** Where the lab that was killed has ended. */
const ended = scratch();

test("lab: killed, it leaves no process and no half-written result, and goes on where it was [cpu]", async () => {
  const folder = ended;
  const args = ["lab", "--smoke", "--output-dir", folder, "--processes", "2"];
  const child = spawn(process.execPath, [...command, ...args], {
    stdio: "ignore",
    env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
  });
  const gone = new Promise((resolve) => child.on("exit", resolve));
  const done = (): string[] =>
    existsSync(join(folder, "cache"))
      ? readdirSync(join(folder, "cache")).filter((name) => name.endsWith(".json"))
      : [];
  while (done().length < 1 && child.exitCode === null) await pause(20);
  const workers = childrenOf(child);
  child.kill("SIGKILL");
  await gone;
  for (let i = 0; i < 500 && workers.some(isAlive); i++) await pause(20);
  assert.deepEqual(workers.filter(isAlive), []);
  const before = new Map(done().map((name) => [name, readFileSync(join(folder, "cache", name), "utf8")]));
  for (const text of before.values()) assert.doesNotThrow(() => JSON.parse(text));
  assert.ok(!existsSync(join(folder, "results.json")));

  const { stdout, stderr } = await succeeds(args);
  assert.match(stderr, new RegExp(`^lab smoke: ${5 - before.size} of 5 jobs to do`));
  assert.match(stdout, /report\.html/);
  assert.match(stdout, /^\d+ claims need runs that this lab does not have$/m);
  assert.doesNotMatch(stdout, /not run/);
  for (const [name, text] of before) assert.equal(readFileSync(join(folder, "cache", name), "utf8"), text);
  assert.equal(done().length, 5);
  assert.ok(readdirSync(join(folder, "cache")).every((name) => !name.endsWith(".tmp")));
  const results = readFileSync(join(folder, "results.json"), "utf8");
  assert.ok(readFileSync(join(folder, "report.html"), "utf8").includes("A smoke run."));
  assert.match((await succeeds(args)).stderr, /^lab smoke: 0 of 5 jobs to do/);
  assert.equal(readFileSync(join(folder, "results.json"), "utf8"), results);
});

test("lab --seeds: so many seeds, and only those that are new are done", async () => {
  const budget = async (folder: string, ...more: string[]) =>
    (await document<Budget>(["lab", "--smoke", "--dry-run", "--output-dir", folder, ...more])).pending;
  const fresh = scratch();
  assert.deepEqual([await budget(fresh), await budget(fresh, "--seeds", "3")], [5, 15]);
  assert.deepEqual([await budget(ended), await budget(ended, "--seeds", "3")], [0, 10]);
  await succeeds(["lab", "--smoke", "--output-dir", ended, "--seeds", "2"]);
  const { size, runs } = JSON.parse(readFileSync(join(ended, "results.json"), "utf8"));
  assert.deepEqual(size.seeds, [0, 1]);
  assert.deepEqual(new Set(runs.map(({ seed }: { seed: number }) => seed)), new Set([0, 1]));
});
