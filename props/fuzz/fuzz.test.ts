/**
 * Files that went wrong in many ways: each call ends in a correct run, or in one clear line and code 2; never a stack trace,
 * a hang, or half an output. A few here; `npm run fuzz -- 2000` runs that many, each in a process of its own.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { scratch } from "../cli/cli.js";
import { inside } from "../cli/inside.js";
import { type Survived, survive } from "./ends.js";
import { laid, targets } from "./targets.js";

const SEED = Number(process.env.FC_SEED ?? 1);
const folder = scratch();

/** Runs the command line in this process, and says what it took. */
const timed = async (args: readonly string[]): Promise<Survived> => {
  const before = process.cpuUsage();
  const ended = await inside(args);
  const { user, system } = process.cpuUsage(before);
  return { ...ended, seconds: (user + system) / 1e6 };
};

test("whole files run", async () => {
  for (const target of targets) {
    const { args } = laid(target, target.whole, join(folder, "whole"));
    const { code, stderr } = await inside(args);
    assert.equal(code, 0, `taugrad ${args.join(" ")}\n${stderr}`);
  }
});

const CHEAP = 5;
for (const target of targets)
  test(`${target.name}: mutants end in a run or in one line`, async () => {
    for (let i = 0; i < CHEAP; i++) await survive(target, SEED * 1_000_003 + i, join(folder, "mutant"), timed);
  });
