/**
 * The benchmarks: npm run bench [-- NAME…]
 * Bundles bench/ (all of it, or the files whose path contains a NAME), finds a WebGPU adapter, and runs one file after
 * another, each in a process of its own.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { findAdapter } from "../props/adapter.mjs";
import { bundle, filesUnder } from "../props/bundle.mjs";

const wanted = process.argv.slice(2);
const files = filesUnder("bench", ".bench.ts").filter(
  (file) => wanted.length === 0 || wanted.some((name) => file.includes(name)),
);
if (files.length === 0) {
  console.error(`no file in bench/ is named like: ${wanted.join(", ")}`);
  process.exit(2);
}
const [suites, { env, adapter }] = await Promise.all([bundle(files, ".bench"), findAdapter()]);
console.log(`webgpu: ${adapter}`);
for (const suite of suites) {
  const child = spawn(process.execPath, [suite], { env: { ...process.env, ...env }, stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) process.exitCode = 1;
}
