/** One attempt of the campaign: something a stranger could hand in, the call that meets it, and how that must end. */
import type { ChildProcess } from "node:child_process";
import { failure } from "../../cli/fail.js";
import type { Ended } from "../cli/inside.js";
import type { Draw } from "./mutate.js";

/** How a call ended, and what it took: processor time in seconds, and the most memory in MiB where it is known. */
export interface Took extends Ended {
  readonly seconds: number;
  readonly mebibytes?: number;
}

/** What the file system does at a call under a folder, and from then on where it lasts; faults.mjs says how. */
export interface Fault {
  readonly what: string;
  readonly at: number;
  readonly under: string;
  readonly lasts: boolean;
}

/** What a call meets while it runs, in a process of its own. */
export interface Disturbance {
  readonly fault?: Fault;
  /** What is done to the process. */
  readonly during?: (child: ChildProcess) => void;
  /** Exit codes that this gives; null: a signal ends it. */
  readonly codes?: readonly (number | null)[];
}

/** Runs the command line. */
export type Run = (args: readonly string[], meets?: Disturbance) => Promise<Took>;

export interface Attempt {
  /** What was done, in a few words. */
  readonly what: string;
  readonly args: readonly string[];
  readonly meets?: Disturbance;
  /** What the call does with it, in this process and in a few milliseconds. */
  readonly gate?: () => unknown;
  /** What is lost or left half done in spite of how the call ended, in a few words. */
  readonly lost?: (ended: Took, run: Run) => Promise<string | undefined>;
}

/** Lays out what is drawn in an empty folder. */
export type Kind = (draw: Draw, place: string) => Attempt | Promise<Attempt>;

/** How an attempt ended: the first three are as they should be. */
export type Ending = "runs" | "is answered" | "is ended" | "trace" | "hang" | "abort" | "memory" | "unclear" | "loss";

export const isWell = (ending: Ending): boolean =>
  ending === "runs" || ending === "is answered" || ending === "is ended";

const SECONDS = 10;
const MEBIBYTES = 1536;
const LINE = /(^|\n)taugrad: [^\p{Cc}]{1,1200}\n$/u;

/** What makes a terminal do something, or show a text as another: lines, and words from right to left. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** How a process ended. */
export const endingOf = (
  { code, stdout, stderr, seconds, mebibytes = 0 }: Took,
  { codes = [] }: Disturbance = {},
): Ending => {
  if (seconds > SECONDS) return "hang";
  if (/^\s+at .*[:(]|fault of the program/m.test(stderr)) return "trace";
  if (codes.includes(code)) return "is ended";
  if (code !== 0 && code !== 2) return "abort";
  if (mebibytes > MEBIBYTES) return "memory";
  if (HARMFUL.test(stderr)) return "unclear";
  if (code === 0) return "runs";
  // A refusal has one last line, and no result beside it.
  return LINE.test(stderr) && stdout === "" ? "is answered" : "unclear";
};

/** How a gate ended. */
export const gateEnding = async (gate: () => unknown): Promise<{ readonly ending: Ending; readonly said: string }> => {
  const before = process.cpuUsage();
  let said = "";
  let ending: Ending = "runs";
  try {
    await gate();
  } catch (error) {
    const { code, message } = failure(error);
    said = message;
    ending = code !== 2 ? "trace" : LINE.test(`${message}\n`) ? "is answered" : "unclear";
  }
  const { user, system } = process.cpuUsage(before);
  return { ending: (user + system) / 1e6 > SECONDS ? "hang" : ending, said };
};
