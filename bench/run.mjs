/**
 * The benchmarks: npm run bench [-- NAME… --device cpu|webgpu --json FILE]
 * Bundles bench/ (all of it, or the files whose path contains a NAME), finds a WebGPU adapter, and runs one suite after
 * another on cpu, and on webgpu where there is an adapter; each in a process of its own. What lies in bench/host/ needs no
 * device and runs once, unless a device is named and no NAME. --json writes the named numbers:
 * { "machine": {…}, "cpu": { "matmul_1024_gflops": … }, "webgpu": … }.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { findAdapter } from "../props/adapter.mjs";
import { bundle, filesUnder } from "../props/bundle.mjs";

const DEVICES = ["cpu", "webgpu"];

const refuse = (message) => {
  console.error(`bench: ${message}`);
  process.exit(2);
};

const readArguments = () => {
  try {
    const options = { device: { type: "string" }, json: { type: "string" } };
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return refuse(error.message);
  }
};

const { values, positionals: wanted } = readArguments();
if (values.device !== undefined && !DEVICES.includes(values.device))
  refuse(`--device ${values.device}: use ${DEVICES.join(" or ")}`);
const isHost = (file) => file.startsWith("bench/host/");
const files = filesUnder("bench", ".bench.ts").filter((file) =>
  wanted.length === 0 ? !isHost(file) || values.device === undefined : wanted.some((name) => file.includes(name)),
);
if (files.length === 0) refuse(`no file in bench/ is named like: ${wanted.join(", ")}`);

const [suites, { env, adapter }] = await Promise.all([bundle(files, ".bench"), findAdapter()]);
if (env === undefined && values.device === "webgpu") refuse(`--device webgpu: ${adapter}`);
const devices = DEVICES.filter((name) => (values.device ?? name) === name && (name !== "webgpu" || env !== undefined));

const machine = {
  date: new Date().toISOString(),
  node: process.version,
  cores: availableParallelism(),
  processor: cpus()[0]?.model ?? "unknown",
  adapter,
};
console.log(`${machine.processor}, ${machine.cores} cores, node ${machine.node}; webgpu: ${adapter}`);

const numbers = {};
const runs = files.flatMap((file, i) => (isHost(file) ? [[suites[i]]] : devices.map((device) => [suites[i], device])));
for (const args of runs) {
  const begun = performance.now();
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  child.on("message", ({ device, name, value }) => {
    numbers[device] = { ...numbers[device], [name]: value };
  });
  const [code, signal] = await once(child, "close");
  console.log(`  ${basename(args[0], ".js")}: ${((performance.now() - begun) / 1e3).toFixed(1)} s in all`);
  if (code === 0) continue;
  console.error(`bench: ${args.join(" ")} ended with ${signal ?? code}`);
  process.exitCode = 1;
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, ...numbers }, undefined, 2)}\n`);
