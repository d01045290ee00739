/**
 * Hostile programs against the sandbox: npm run hostile [-- NAME]
 * (all of props/fuzz/programs/programs.ts, or those whose name contains NAME). Each must end in its time, without success, and
 * reach and leave nothing. Exits 1 if one does otherwise, or if there is no sandbox here.
 */
import { spawn } from "node:child_process";
import { bundle } from "../../bundle.mjs";

const [runner] = await bundle(["props/fuzz/programs/run.ts"], ".fuzz");
spawn(process.execPath, [runner, ...process.argv.slice(2)], { stdio: "inherit" }).on("close", (code) => {
  process.exitCode = code ?? 1;
});
