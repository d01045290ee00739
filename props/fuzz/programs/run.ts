/** The hostile programs: started by run.mjs, which says how. */
import type { LanguageName } from "../../../lab/evaluate/code/languages.js";
import { type Runner, runnerOf } from "../../../lab/evaluate/code/sandbox.js";
import { attempted, left, witnesses } from "./attempts.js";
import { hostilePrograms } from "./programs.js";

const [only = ""] = process.argv.slice(2);
const wanted = hostilePrograms.filter(({ name }) => name.includes(only));
const seen = await witnesses();
try {
  const runners = new Map<LanguageName, Runner>();
  for (const name of new Set(wanted.map(({ language }) => language))) runners.set(name, await runnerOf(name, false));
  const escaped: string[] = [];
  for (const program of wanted) {
    const wrong = await attempted(program, runners.get(program.language) as Runner, seen);
    const alive = left();
    if (wrong === undefined && alive.length === 0) continue;
    escaped.push(wrong ?? `${program.name}: ${alive.length} processes are left`);
    console.error(escaped.at(-1));
  }
  console.log(`${wanted.length} programs, ${escaped.length} escaped or stayed`);
  if (escaped.length > 0 || wanted.length === 0) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  seen.close();
}
