/**
 * What a machine with a GPU can do: npm run bench:gpu [-- --adapter N|NAME] [--torch PATH] [--python PATH] [--only NAMES] [--out FILE]
 * One command, under eight minutes: doctor, laws with kernels for GPUs, products, attention, optimizer steps, DPO of three model
 * shapes, each a process with a limit of its own; what was measured before a limit or a fault stays. --torch names a
 * torch_baseline.py that prints PyTorch's figures as JSON, to stand beside. Writes bench/results/DATE-ADAPTER.md. Small sizes where
 * the adapter runs on the CPU.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { root } from "../../build.mjs";
import { findAdapter } from "../../props/adapter.mjs";
import { bundle } from "../../props/bundle.mjs";

const LAWS = ["webgpu-kernels", "webgpu-matmul", "webgpu-features", "webgpu-special-fused", "webgpu-half-kernels"];
/** In the order they run; seconds that each may take. */
const PARTS = [
  { name: "doctor", seconds: 20 },
  { name: "laws", seconds: 80 },
  { name: "matmul", seconds: 50 },
  { name: "attention", seconds: 45 },
  { name: "optimizers", seconds: 55 },
  { name: "dpo a", seconds: 40 },
  { name: "dpo b", seconds: 45 },
  { name: "dpo c", seconds: 55 },
  { name: "torch", seconds: 85 },
];

const refuse = (message) => {
  console.error(`bench:gpu: ${message}`);
  process.exit(2);
};

const readArguments = () => {
  const text = { type: "string" };
  try {
    return parseArgs({ options: { adapter: text, torch: text, python: text, only: text, out: text } }).values;
  } catch (error) {
    return refuse(error.message);
  }
};
const { adapter: wanted, torch, python = "python3", only, out } = readArguments();
const names = PARTS.map(({ name }) => name);
for (const name of only?.split(",") ?? []) if (!names.includes(name)) refuse(`--only ${name}: use ${names.join(", ")}`);
if (torch !== undefined && !existsSync(torch)) refuse(`--torch ${torch}: no such file`);

const programs = ["doctor", "matmul", "attention", "optimizers", "dpo", "report"];
const [bundles, { env, adapter }] = await Promise.all([
  bundle(
    programs.map((name) => `bench/gpu/${name}.ts`),
    ".bench-gpu",
  ),
  findAdapter(),
]);
if (env === undefined) refuse(`no adapter: ${adapter}`);
const bundleOf = (name) => bundles[programs.indexOf(name)];
const { reportOf } = await import(pathToFileURL(bundleOf("report")).href);

/** Runs a program for so many seconds at most. Resolves to its messages, its output, and how it ended. */
const runFor = (command, args, seconds) =>
  new Promise((resolve) => {
    const [messages, begun] = [[], performance.now()];
    const stdio = ["ignore", "pipe", "pipe", "ipc"];
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio,
      detached: process.platform !== "win32",
    });
    let [stdout, stderr, isCut] = ["", "", false];
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      process.stdout.write(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("message", (message) => messages.push(message));
    const timer = setTimeout(() => {
      isCut = true;
      // With all that it started: the laws' processes go too.
      if (process.platform === "win32") child.kill("SIGKILL");
      else process.kill(-child.pid, "SIGKILL");
    }, seconds * 1e3);
    const end = (fault) => {
      clearTimeout(timer);
      resolve({ messages, stdout, seconds: (performance.now() - begun) / 1e3, fault });
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => {
      const last = stderr
        .trim()
        .split("\n")
        .filter((line) => !/^Warning|^ +at /.test(line))
        .slice(-3)
        .join(" ");
      end(isCut ? `cut off after ${seconds} s` : code === 0 ? undefined : `ended with ${signal ?? code}: ${last}`);
    });
  });

const startOf = (name) => {
  const [kind, of] = name.split(" ");
  if (name === "laws") return [process.execPath, ["props/run.mjs", ...LAWS]];
  if (name === "torch") return torch === undefined ? undefined : [python, [torch]];
  const { seconds } = PARTS.find((part) => part.name === name);
  const chosen = wanted === undefined ? undefined : /^\d+$/.test(wanted) ? Number(wanted) : wanted;
  return [process.execPath, [bundleOf(kind), JSON.stringify({ adapter: chosen, seconds: seconds - 5, of })]];
};

const results = [];
for (const { name, seconds } of PARTS) {
  if (only !== undefined && !only.split(",").includes(name)) continue;
  const start = startOf(name);
  if (start === undefined) continue;
  console.log(`${name} (${seconds} s at most)`);
  const result = await runFor(...start, seconds);
  if (result.fault !== undefined) console.log(`  ${result.fault}`);
  results.push({ name, ...result });
}

const date = new Date().toISOString().slice(0, 10);
const doctored = results.find(({ name }) => name === "doctor")?.messages[0];
const title = doctored?.adapter ?? adapter;
const machine = `${doctored?.description ?? adapter}; ${cpus()[0]?.model ?? "unknown processor"}, node ${process.version}`;
const slug = title
  .toLowerCase()
  .replace(/[^a-z0-9]+/g, "-")
  .replace(/^-+|-+$/g, "")
  .slice(0, 40);
const path = out ?? join(root, "bench", "results", `${date}-${slug}.md`);
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, reportOf({ date, adapter: title, machine, laws: LAWS }, results));
console.log(`\n${path}`);
if (results.some(({ fault }) => fault !== undefined && !fault.startsWith("cut off"))) process.exitCode = 1;
