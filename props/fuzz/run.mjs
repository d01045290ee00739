/**
 * What strangers hand in and what machines do, against the command line: npm run campaign [-- COUNT [SEED [KIND]]]
 * (COUNT draws, default 2000, of the kinds whose name contains KIND: spoiled files, things that are no files, command lines,
 * damaged checkpoints and caches, system errors, short writes, signals, lost streams, two at once, kills). Each must end in a
 * correct run, or in one clear line and code 2, within 10 s of processor time and 1.5 GiB, with nothing lost: of runs, the
 * same call again ends in the bytes of one that nobody disturbed. Every tenth, what needs it, and what failed runs in a process
 * of its own, as a user's call does; the others one after another in two processes (CAMPAIGN_APART=1: each in its own).
 * CAMPAIGN_KEEP=DIR keeps what fails, CAMPAIGN_SECONDS=S draws no more after S seconds. Exits 1 if anything failed.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "../bundle.mjs";

const [runner, among, cli] = await bundle(["props/fuzz/run.ts", "props/fuzz/among.ts", "cli/index.ts"], ".fuzz");
const faults = join(fileURLToPath(new URL(".", import.meta.url)), "faults.mjs");
spawn(process.execPath, [runner, cli, among, faults, ...process.argv.slice(2)], { stdio: "inherit" }).on(
  "close",
  (code) => {
    process.exitCode = code ?? 1;
  },
);
