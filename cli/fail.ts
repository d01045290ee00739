import { DeviceError, InputError, OwnershipError, ShapeError } from "../core/errors.js";
import { isForbidden } from "../core/permitted.js";
import { isSystemError, systemWords } from "../models/files/writing/system-error.js";
import { harmless } from "../run/harmless.js";
import { isFollower, launchedAs } from "../run/workers/launch.js";
import { Stopped } from "./stopped.js";

/** How a command ends that could not do its work. */
export interface Failure {
  readonly code: number;
  /** What goes to stderr, without the last line break. */
  readonly message: string;
}

const joined = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("; ");

/** More than a person reads in one line. */
const LONGEST = 1000;

/** One line that a terminal shows as it is: names out of broken files may hold control characters, or fill a screen. */
const shown = (text: string): string => {
  const line = harmless(joined(text)).replaceAll("\t", "\\u0009");
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST / 2)} … ${line.slice(-LONGEST / 2)}`;
};

/** Says on stderr how a command ended; returns its exit code. */
export const toldFailure = (error: unknown, rank?: number): number => {
  const { code, message } = failure(error);
  if (error instanceof Stopped && isFollower(process.env)) return code;
  process.stderr.write(`${rank === undefined ? "" : `rank ${rank}: `}${message}\n`);
  return code;
};

/** Milliseconds that other ranks leave the first one, which has heard of what went wrong: once it ends, they are ended. */
const ITS_TURN = 1500;

/** Which rank is to be named before what went wrong; none of one process, or of the first, which speaks for all. */
export const rankToName = async (error: unknown, env: NodeJS.ProcessEnv): Promise<number | undefined> => {
  if (!isFollower(env) || error instanceof Stopped) return undefined;
  await new Promise((resolve) => setTimeout(resolve, ITS_TURN));
  return launchedAs(env);
};

/** What Node says of a path that no system takes, before one sees it. */
const nullByteIn = (error: unknown): string | undefined =>
  error instanceof TypeError && "code" in error && error.code === "ERR_INVALID_ARG_VALUE"
    ? /without null bytes\. Received (.*)$/s.exec(error.message)?.[1]
    : undefined;

/** What the user can mend is one line and code 2; anything else is a fault of the program, shown with its stack. */
export const failure = (error: unknown): Failure => {
  if (error instanceof Stopped) return { code: error.code, message: `taugrad: ${shown(error.message)}` };
  const mendable = [InputError, ShapeError, DeviceError, OwnershipError].some((kind) => error instanceof kind);
  if (mendable) return { code: 2, message: `taugrad: ${shown((error as Error).message)}` };
  if (isForbidden(error)) return { code: 2, message: `taugrad: Deno: ${shown(error.message)}` };
  if (isSystemError(error))
    return { code: 2, message: `taugrad: ${shown(`${error.path ?? error.syscall}: ${systemWords(error)}`)}` };
  const path = nullByteIn(error);
  if (path !== undefined) return { code: 2, message: `taugrad: a path holds a null byte: ${shown(path)}` };
  if (error instanceof RangeError && /alloc|array length|buffer/i.test(error.message))
    return {
      code: 2,
      message: `taugrad: out of memory (${joined(error.message)}); use a smaller model, batch or length`,
    };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: 1,
    message: `${harmless(stack)}\ntaugrad: this is a fault of the program; please report it with the lines above`,
  };
};
