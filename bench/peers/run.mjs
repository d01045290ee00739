/** Runs each work on each engine, checks that they agree, prints times and ratios: node bench/peers/run.mjs [--json FILE] */
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { buildBundles } from "../../build.mjs";
import { agree } from "./measure.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const ENGINES = ["taugrad", "jax-js", "tfjs"];
const WORKS = ["matmul", "mlp", "tiny"];

const { values: options } = parseArgs({ options: { json: { type: "string" } } });
if (!existsSync(join(here, "node_modules"))) {
  console.error("bench/peers: the engines to compare with are not installed: npm install --prefix bench/peers");
  process.exit(2);
}
await buildBundles();

const machine = {
  date: new Date().toISOString(),
  node: process.version,
  cores: availableParallelism(),
  processor: cpus()[0]?.model ?? "unknown",
};
console.log(`${machine.processor}, ${machine.cores} cores, node ${machine.node}`);

const results = Object.fromEntries(ENGINES.map((engine) => [engine, {}]));
const run = async (engine, work) => {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(here, "work.mjs"), engine, work]);
    return JSON.parse(stdout.trim().split("\n").at(-1));
  } catch (error) {
    console.error(`${engine} ${work}: ${error.stderr || error.message}`);
    process.exitCode = 1;
    return {};
  }
};

for (const work of WORKS) {
  let expected;
  for (const engine of ENGINES) {
    const { losses, ...numbers } = await run(engine, work);
    Object.assign(results[engine], numbers);
    if (losses === undefined) continue;
    expected ??= losses;
    if (!agree(expected, losses)) {
      console.error(`${engine} ${work}: losses ${losses} where ${ENGINES[0]} has ${expected}`);
      process.exitCode = 1;
    }
  }
}

/** How many times faster than the engine taugrad is. */
const ratio = (name, engine) => {
  const [own, other] = [results.taugrad[name], results[engine][name]];
  return name.endsWith("_ms") ? other / own : own / other;
};
const shown = (value) => (value === undefined || Number.isNaN(value) ? "–" : value.toPrecision(3));
const names = [...new Set(ENGINES.flatMap((engine) => Object.keys(results[engine])))];
const rows = names.map((name) => [
  name,
  ...ENGINES.map((engine) => shown(results[engine][name])),
  ...ENGINES.slice(1).map((engine) => `× ${shown(ratio(name, engine))}`),
]);
const table = [["", ...ENGINES, ...ENGINES.slice(1).map((engine) => `vs ${engine}`)], ...rows];
for (const row of table) console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(11))).join(""));
if (options.json !== undefined)
  writeFileSync(options.json, `${JSON.stringify({ machine, ...results }, undefined, 2)}\n`);
