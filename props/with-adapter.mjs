/**
 * Runs a command where WebGPU finds an adapter, a software one at need:
 *   npm run with-adapter -- node dist/cli.js doctor
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { findAdapter } from "./adapter.mjs";

const [command, ...rest] = process.argv.slice(2);
if (command === undefined) {
  console.error("with-adapter: no command given; try: npm run with-adapter -- node dist/cli.js doctor");
  process.exit(2);
}
const { env, adapter } = await findAdapter();
console.error(`webgpu: ${adapter}`);
const child = spawn(command === "node" ? process.execPath : command, rest, {
  env: { ...process.env, ...env },
  stdio: "inherit",
});
child.on("error", (error) => {
  console.error(`with-adapter: ${error.message}`);
  process.exitCode = 2;
});
// A signal from the terminal reaches the child by itself; this process waits for it, and says how it ended.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
});
