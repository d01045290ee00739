/** The campaign: started by run.mjs, which says how. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ending, endingOf, isWell, type Run } from "./attempt.js";
import { hostile } from "./hostile/kinds.js";
import { inputs } from "./inputs.js";
import { drawer, pick } from "./mutate.js";
import { runKinds } from "./runs.js";

const [cli, faults, count = "2000", seed = "1", only = ""] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "taugrad-campaign-"));
const under = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
};

/** Tells at its end what the process took. */
const witness = join(folder, "witness.mjs");
writeFileSync(
  witness,
  `import { writeFileSync } from "node:fs";
process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const took = { mebibytes: maxRSS / 1024, seconds: (userCPUTime + systemCPUTime) / 1e6 };
  writeFileSync(process.env.CAMPAIGN_WITNESS, JSON.stringify(took));
});`,
);

/** Runs the command line as a user does, in a folder; killed after a minute. */
const runIn =
  (place: string, told: string): Run =>
  (args, env = {}) =>
    new Promise((resolve, reject) => {
      rmSync(told, { force: true });
      const child = spawn(process.execPath, ["--import", witness, cli, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        cwd: place,
        env: { ...process.env, NODE_OPTIONS: "", ...env, CAMPAIGN_WITNESS: told },
        timeout: 60_000,
        killSignal: "SIGKILL",
      });
      const started = performance.now();
      const said = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"] as const)
        child[stream].setEncoding("utf8").on("data", (text: string) => {
          said[stream] += text;
        });
      child.on("error", reject).on("close", (code) => {
        const took = existsSync(told)
          ? JSON.parse(readFileSync(told, "utf8"))
          : { seconds: performance.now() - started > 59_000 ? 60 : 0 };
        resolve({ code, ...said, ...took });
      });
    });

const wanted = (names: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(names).some((name) => name.includes(only));
const own = under("own");
const kinds = {
  ...inputs,
  ...hostile,
  ...(await runKinds(under, runIn(own, join(folder, "own.json")), faults)),
};
const names = Object.keys(kinds).filter((name) => name.includes(only));
if (!wanted(kinds)) throw new Error(`no kind is named like ${only}; there are ${Object.keys(kinds).join(", ")}`);

const most = { seconds: 0, mebibytes: 0 };
const endings = new Map<string, number>();
const totals = new Map<Ending, number>();
let [next, failed] = [0, 0];
const { CAMPAIGN_KEEP: keep } = process.env;

const attempt = async (i: number, place: string, told: string): Promise<void> => {
  const draw = drawer(Number(seed) * 1_000_003 + i);
  const name = pick(draw, names);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
  const { what, args, env, lost, kills = false } = await kinds[name](draw, place);
  const run = runIn(place, told);
  const ended = await run(args, env);
  const isKilled = kills && ended.code === null && ended.seconds === 0;
  let ending: Ending = isKilled ? "is answered" : endingOf(ended);
  const loss = isWell(ending) ? await lost?.(ended, run) : undefined;
  if (loss !== undefined) ending = "loss";
  most.seconds = Math.max(most.seconds, ended.seconds);
  most.mebibytes = Math.max(most.mebibytes, ended.mebibytes ?? 0);
  endings.set(`${name} ${ending}`, (endings.get(`${name} ${ending}`) ?? 0) + 1);
  totals.set(ending, (totals.get(ending) ?? 0) + 1);
  if (isWell(ending)) return;
  failed++;
  const how = [ending, loss].filter((word) => word !== undefined).join(": ");
  const took = `${ended.code} after ${ended.seconds.toFixed(1)} s, ${(ended.mebibytes ?? 0).toFixed(0)} MiB`;
  console.error(`number ${i}, ${name} (${what}): ${how} (${took})\n${ended.stderr.slice(-1500)}\n`);
  if (keep !== undefined) cpSync(place, join(keep, `${seed}-${i}`), { recursive: true, verbatimSymlinks: true });
};

const until = performance.now() + 1000 * Number(process.env.CAMPAIGN_SECONDS ?? Number.POSITIVE_INFINITY);
const worker = async (name: string): Promise<void> => {
  for (let i = next++; i < Number(count) && performance.now() < until; i = next++)
    await attempt(i, join(folder, name), join(folder, `${name}.json`));
};
await Promise.all(["a", "b"].map(worker));
rmSync(folder, { recursive: true, force: true });
for (const [ending, times] of [...endings].sort()) console.log(`${ending}: ${times}`);
console.log(`at most ${most.seconds.toFixed(1)} s of processor time and ${most.mebibytes.toFixed(0)} MiB`);
console.log([...totals].map(([ending, times]) => `${ending} ${times}`).join(", "));
const tried = [...totals.values()].reduce((a, b) => a + b, 0);
console.log(`${tried - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
