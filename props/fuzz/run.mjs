/**
 * Spoiled files against the command line: npm run fuzz [-- COUNT [SEED [NAME]]]
 * (COUNT mutants, default 2000, of the files whose name contains NAME). Each runs in a process of its own and must end in
 * a correct run, or in one clear line and code 2, within 5 s of processor time and 1 GiB, without half an output.
 * FUZZ_KEEP=DIR keeps what fails. Exits 1 if anything does.
 */
import { spawn } from "node:child_process";
import { bundle } from "../bundle.mjs";

const [runner, cli] = await bundle(["props/fuzz/run.ts", "cli/index.ts"], ".fuzz");
spawn(process.execPath, [runner, cli, ...process.argv.slice(2)], { stdio: "inherit" }).on("close", (code) => {
  process.exitCode = code ?? 1;
});
