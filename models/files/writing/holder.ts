import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { process } from "../../platform/node/globals.js";
import { isSystemError } from "./system-error.js";

/** A process that holds something. */
export interface Holder {
  /** No two holders have the same. */
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  /** The system's start and the space of process numbers, where the system tells: elsewhere a number means nothing. */
  readonly boot: string;
  /** When the process began, in the system's clock: its number may have been given to another one since. */
  readonly began: string;
  /** Since when it holds: ISO 8601. */
  readonly since: string;
  /** What it does: `dpo`. */
  readonly what: string;
}

/** Seconds without a sign of life until a holder counts as dead whose process cannot be looked at from here. */
export const DEAD_AFTER = 120;

const orNothing = (read: () => string): string => {
  try {
    return read();
  } catch {
    return "";
  }
};

/** When a process of this machine began, in ticks since its start; empty for one that has ended, and where no /proc tells. */
const beganAt = (pid: number): string => {
  const stat = orNothing(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? "" : (rest[18] ?? "");
};

/** Does a process of that number run on this machine? */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isSystemError(error) && error.code === "EPERM";
  }
};

/** This process. */
export const thisProcess = (id: string, what: string): Holder => {
  const boot = [
    orNothing(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    orNothing(() => readlinkSync("/proc/self/ns/pid")),
  ];
  const [since, began] = [new Date().toISOString(), beganAt(process.pid)];
  return { id, pid: process.pid, host: hostname(), boot: boot.join(" ").trim(), began, since, what };
};

/** Is a holder gone? By its process where that can be looked at, else by the seconds since its last sign of life. */
export const isGone = ({ pid, host, boot, began }: Partial<Holder>, me: Holder, silence: number): boolean => {
  const isNear = boot === me.boot && (boot !== "" || host === me.host);
  if (pid === undefined || !isNear) return silence > DEAD_AFTER;
  return !isAlive(pid) || (began !== "" && beganAt(pid) !== began);
};

/** A holder for a message. */
export const described = ({ pid, host, since, what }: Partial<Holder>): string =>
  pid === undefined ? "somebody" : `taugrad ${what} (process ${pid} on ${host}, since ${since})`;
