import { constants } from "node:os";

/**
 * What users, schedulers and terminals end a program with: Ctrl-C, kill, a terminal that closes, Ctrl-\\; Windows knows the first
 * and the third, and Ctrl-Break.
 */
export const ENDINGS: readonly NodeJS.Signals[] = (
  ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"] as const
).filter((name) => name in constants.signals);

/** 128 + the signal's number, as shells have it: 130 for SIGINT, 143 for SIGTERM. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + (constants.signals[signal] ?? 0);

/** A command that was stopped from outside, and has saved what it had. */
export class Stopped extends Error {
  readonly code: number;
  constructor(signal: NodeJS.Signals, message: string) {
    super(message);
    this.name = "Stopped";
    this.code = exitCodeOf(signal);
  }
}
