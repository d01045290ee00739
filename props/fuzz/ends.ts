/** How calls end on spoiled files, and how they must. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Ended } from "../cli/inside.js";
import { drawer, mutant } from "./mutate.js";
import { laid, type Target } from "./targets.js";

const SECONDS = 5;
const MEBIBYTES = 1024;

/** How a call ended, and what it took: processor time in seconds, and the most memory in MiB where it is known. */
export interface Survived extends Ended {
  readonly seconds: number;
  readonly mebibytes?: number;
}

/** What is wrong with an ending, if anything. */
const complaint = ({ code, stdout, stderr, seconds, mebibytes = 0 }: Survived, out: string): string | undefined => {
  if (code !== 0 && code !== 2) return `exit code ${code}`;
  if (seconds > SECONDS) return `${seconds.toFixed(1)} s`;
  if (mebibytes > MEBIBYTES) return `${mebibytes.toFixed(0)} MiB`;
  if (/^\s+at .*[:(]|fault of the program/m.test(stderr)) return "a stack trace";
  if (code === 0) return undefined;
  if (!/(^|\n)taugrad: [^\p{Cc}]{1,1200}\n$/u.test(stderr)) return "no clear last line";
  if (stdout !== "") return "a result in spite of an error";
  if (existsSync(out) && readdirSync(out).some((name) => name.endsWith(".safetensors"))) return "half an output";
  return undefined;
};

/** Runs a call. */
export type Run = (args: readonly string[], place: string) => Promise<Survived>;

/** Spoils a file, runs its call, and says how it ended. Throws with all it takes to see it again if that is not well. */
export const survive = async (target: Target, seed: number, place: string, run: Run): Promise<Survived> => {
  const { name, bytes } = mutant(target.whole, target.kind, drawer(seed));
  const { args, out } = laid(target, bytes, place);
  const ended = await run(args, place);
  const wrong = complaint(ended, out);
  if (wrong === undefined) return ended;
  const { FUZZ_KEEP: keep } = process.env;
  if (keep !== undefined) {
    mkdirSync(keep, { recursive: true });
    writeFileSync(join(keep, `${seed}-${target.name}`), bytes);
  }
  throw new Error(
    `${target.name}, ${name}, seed ${seed}: ${wrong}\ntaugrad ${args.join(" ")}\n${ended.stderr.slice(0, 2000)}`,
  );
};
