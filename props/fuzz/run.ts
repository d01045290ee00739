/** The campaign: started by run.mjs, which says how. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Attempt, type Ending, endingOf, isWell, type Run, type Took } from "./attempt.js";
import { alone, type Programs, together } from "./calls.js";
import { hostile } from "./hostile/kinds.js";
import { inputs } from "./inputs.js";
import { drawer, pick } from "./mutate.js";
import { runKinds } from "./runs.js";

const [cli, among, faults, count = "2000", seed = "1", only = ""] = process.argv.slice(2);
const programs: Programs = { cli, among, faults };
const { CAMPAIGN_KEEP: keep, CAMPAIGN_APART: apart = "10", CAMPAIGN_SECONDS: longest = "Infinity" } = process.env;
const folder = mkdtempSync(join(tmpdir(), "taugrad-campaign-"));
const under = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
};

const own = under("own");
const kinds = { ...inputs, ...hostile, ...(await runKinds(under, alone(programs, own, own))) };
const names = Object.keys(kinds).filter((name) => name.includes(only));
if (names.length === 0)
  throw new Error(`no kind is named like ${only}; there are ${Object.keys(kinds).sort().join(", ")}`);

const most = { seconds: 0, mebibytes: 0 };
const endings = new Map<string, number>();
const totals = new Map<Ending, number>();
let [next, failed, inOwn] = [0, 0, 0];

/** How a call ended, and what it lost. */
interface Result {
  readonly ended: Took;
  readonly ending: Ending;
  readonly loss?: string;
}

const judged = async ({ args, meets, lost }: Attempt, run: Run): Promise<Result> => {
  const ended = await run(args, meets);
  const ending = endingOf(ended, meets);
  const loss = isWell(ending) ? await lost?.(ended, run) : undefined;
  return loss === undefined ? { ended, ending } : { ended, ending: "loss", loss };
};

const attempt = async (i: number, home: string, among: Run): Promise<void> => {
  const place = join(home, "place");
  const draw = (): ReturnType<typeof drawer> => drawer(Number(seed) * 1_000_003 + i);
  const name = pick(draw(), names);
  const laid = (): Attempt | Promise<Attempt> => {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place);
    const drawn = draw();
    pick(drawn, names);
    return kinds[name](drawn, place);
  };
  let made = await laid();
  let result: Result | undefined;
  if (made.meets === undefined && i % Number(apart) !== 0) result = await judged(made, among);
  if (result === undefined || !isWell(result.ending)) {
    const before = result;
    if (before !== undefined) made = await laid();
    result = await judged(made, alone(programs, home, place));
    inOwn++;
    most.seconds = Math.max(most.seconds, result.ended.seconds);
    most.mebibytes = Math.max(most.mebibytes, result.ended.mebibytes ?? 0);
    // Time and memory of a process that had others before are theirs too; everything else counts as it was.
    if (before !== undefined && isWell(result.ending) && !["hang", "memory"].includes(before.ending)) result = before;
  }
  const { ended, ending, loss } = result;
  endings.set(`${name} ${ending}`, (endings.get(`${name} ${ending}`) ?? 0) + 1);
  totals.set(ending, (totals.get(ending) ?? 0) + 1);
  if (isWell(ending)) return;
  failed++;
  const how = [ending, loss].filter((word) => word !== undefined).join(": ");
  const took = `${ended.code} after ${ended.seconds.toFixed(1)} s, ${(ended.mebibytes ?? 0).toFixed(0)} MiB`;
  console.error(`number ${i}, ${name} (${made.what}): ${how} (${took})\n${ended.stderr.slice(-1500)}\n`);
  if (keep !== undefined) cpSync(place, join(keep, `${seed}-${i}`), { recursive: true, verbatimSymlinks: true });
};

const until = performance.now() + 1000 * Number(longest);
const worker = async (name: string): Promise<void> => {
  const home = under(name);
  const { run, close } = together(programs, join(home, "place"));
  for (let i = next++; i < Number(count) && performance.now() < until; i = next++) await attempt(i, home, run);
  close();
};
await Promise.all(["a", "b"].map(worker));
rmSync(folder, { recursive: true, force: true });
for (const [ending, times] of [...endings].sort()) console.log(`${ending}: ${times}`);
console.log([...totals].map(([ending, times]) => `${ending} ${times}`).join(", "));
const tried = [...totals.values()].reduce((a, b) => a + b, 0);
console.log(`${inOwn} of ${tried} in processes of their own: at most ${most.seconds.toFixed(1)} s of processor time`);
console.log(`and ${most.mebibytes.toFixed(0)} MiB; ${tried - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
