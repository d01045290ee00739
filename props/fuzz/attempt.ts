/** One attempt of the campaign: something a stranger could hand in, the call that meets it, and how that must end. */
import { failure } from "../../cli/fail.js";
import type { Ended } from "../cli/inside.js";
import type { Draw } from "./mutate.js";

/** How a call ended, and what it took: processor time in seconds, and the most memory in MiB where it is known. */
export interface Took extends Ended {
  readonly seconds: number;
  readonly mebibytes?: number;
}

/** Runs the command line. */
export type Run = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Took>;

export interface Attempt {
  /** What was done, in a few words. */
  readonly what: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What the call does with it, in this process and in a few milliseconds. */
  readonly gate?: () => unknown;
  /** What is lost or left half done in spite of how the call ended, in a few words. */
  readonly lost?: (ended: Took, run: Run) => Promise<string | undefined>;
  /** Ends the process itself, as a kill does. */
  readonly kills?: boolean;
}

/** Lays out what is drawn in an empty folder. */
export type Kind = (draw: Draw, place: string) => Attempt | Promise<Attempt>;

/** How an attempt ended: the first two are as they should be. */
export type Ending = "runs" | "is answered" | "trace" | "hang" | "abort" | "memory" | "unclear" | "loss";

export const isWell = (ending: Ending): boolean => ending === "runs" || ending === "is answered";

const SECONDS = 10;
const MEBIBYTES = 1536;
const LINE = /(^|\n)taugrad: [^\p{Cc}]{1,1200}\n$/u;

/** How a process ended. */
export const endingOf = ({ code, stdout, stderr, seconds, mebibytes = 0 }: Took): Ending => {
  if (seconds > SECONDS) return "hang";
  if (/^\s+at .*[:(]|fault of the program/m.test(stderr)) return "trace";
  if (code !== 0 && code !== 2) return "abort";
  if (mebibytes > MEBIBYTES) return "memory";
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
