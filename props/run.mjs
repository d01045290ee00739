/**
 * The test run: npm test [-- NAME…]
 * Builds the package, bundles props/ (all of it, or the files whose path contains a NAME), finds a WebGPU adapter and
 * starts node's test runner in that environment. FC_SEED replays a failure; with CI=true it is 1, so that a commit passes or
 * fails by what it changed, and otherwise each run draws its own and finds what CI has not tried. TAUGRAD_REACH=10 tries ten
 * times as many random cases. Exits 1 if anything failed.
 */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { buildBundles, buildTypes } from "../build.mjs";
import { findAdapter } from "./adapter.mjs";
import { bundle, filesUnder } from "./bundle.mjs";

const wanted = process.argv.slice(2);
const files = filesUnder("props", ".test.ts").filter(
  (file) => wanted.length === 0 || wanted.some((name) => file.includes(name)),
);
if (files.length === 0) {
  console.error(`no test file in props/ is named like: ${wanted.join(", ")}`);
  process.exit(2);
}

/** Files of one folder, or of small ones, up to twelve: a process starts Node, opens devices and builds the kernels that they share once. */
const TOGETHER = 12;
const SMALL = 4;
const rooms = new Map();
for (const file of files) rooms.set(dirname(file), [...(rooms.get(dirname(file)) ?? []), file]);
const together = [];
let small = [];
for (const room of rooms.values()) {
  const parts = Math.ceil(room.length / TOGETHER);
  const at = (part) => Math.round((part * room.length) / parts);
  if (room.length > SMALL)
    together.push(...Array.from({ length: parts }, (_, part) => room.slice(at(part), at(part + 1))));
  else if (small.length > 0 && small.length + room.length <= TOGETHER) small.push(...room);
  else {
    small = [...room];
    together.push(small);
  }
}

// The package's own laws look at dist/; a failed build is theirs to report, and the other laws still run. Types are checked by a law.
const packageBuilt = buildBundles().then(
  () => buildTypes("ignore", ["--noCheck"]),
  () => undefined,
);
const [tests, { env, adapter }] = await Promise.all([
  bundle(together, ".props", 'import "../props/seed.mjs";'),
  findAdapter(),
  packageBuilt,
]);

console.log(`webgpu: ${adapter}`);
Object.assign(process.env, env);
if (process.env.CI === "true") process.env.FC_SEED ??= "1";
// With this set the laws fail where they get no adapter, so that none is skipped in silence.
// TAUGRAD_WEBGPU=plain runs them without what Dawn unlocks.
const isRequired = env !== undefined || process.env.CI === "true" || process.env.TAUGRAD_WEBGPU?.includes("required");
if (isRequired) process.env.TAUGRAD_WEBGPU = ["required", process.env.TAUGRAD_WEBGPU].filter((word) => word).join();
process.env.NODE_OPTIONS = [process.env.NODE_OPTIONS, "--enable-source-maps"].filter((text) => text).join(" ");

// Laws plan many small programs once: V8's optimizing compiler and helper threads for garbage would take a third of the time.
for (const flag of ["--interrupt-budget=1000000", "--single-threaded-gc"])
  if (spawnSync(process.execPath, [flag, "-e", "0"], { stdio: "ignore" }).status === 0) process.execArgv.push(flag);

let webgpuLaws = 0;
// Campaigns, which are named, take what they take.
const reach = Math.max(1, Number(process.env.TAUGRAD_REACH ?? 1));
const timeout = wanted.length > 0 ? Number.POSITIVE_INFINITY : 270_000 * reach;
// Three for two cores: laws wait for processes, browsers and clocks.
const results = run({ files: tests, concurrency: 3, timeout })
  .on("test:pass", ({ name, skip, details }) => {
    // A law's title starts or ends with its device: "matmul agrees with its definition [webgpu]".
    if (/^webgpu\b|\bwebgpu\W*$/i.test(name) && skip === undefined && details.type !== "suite") webgpuLaws += 1;
  })
  .on("test:fail", () => {
    process.exitCode = 1;
  });
const report = results.compose(new spec());
report.pipe(process.stdout);
await finished(report, { writable: false });

if (wanted.length === 0 && isRequired && webgpuLaws === 0) {
  console.error("no law ran on webgpu");
  process.exitCode = 1;
}
