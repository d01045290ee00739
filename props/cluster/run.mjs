/**
 * What needs engines of clusters, against the real ones on this machine: npm run cluster [-- NAME… [KEY=VALUE …]], after a build.
 * An engine that is not installed is skipped by name. Each file of ENGINES has `name`, `missing()` (what is not installed, and
 * what installs it; undefined if all is there), `byHand` where it runs only if it is named, and `check(settings, tell)`, which throws where something is not as it must be.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as mpi from "./mpi.mjs";
import * as slurm from "./slurm.mjs";
import * as throughput from "./throughput.mjs";

const ENGINES = [slurm, mpi, throughput];

const given = process.argv.slice(2);
const settings = Object.fromEntries(given.filter((word) => word.includes("=")).map((word) => word.split("=")));
const names = given.filter((word) => !word.includes("="));
const unknown = names.find((name) => !ENGINES.some((engine) => engine.name === name));
if (unknown !== undefined) {
  console.error(`cluster: ${unknown} is none of ${ENGINES.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
if (!existsSync(fileURLToPath(new URL("../../dist/cli.js", import.meta.url)))) {
  console.error("cluster: dist/cli.js is missing; run npm run build first");
  process.exit(2);
}
for (const { name, missing, check, byHand = false } of ENGINES) {
  if (names.length === 0 ? byHand : !names.includes(name)) continue;
  const lacking = missing();
  if (lacking !== undefined) {
    console.log(`${name}: skipped: ${lacking}`);
    continue;
  }
  const began = performance.now();
  try {
    await check(settings, (line) => console.log(`${name}: ${line}`));
    console.log(`${name}: passed in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  } catch (error) {
    console.error(`${name}: FAILED: ${error.stack}`);
    process.exitCode = 1;
  }
}
