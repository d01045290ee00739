import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { isObject } from "../../models/files/json.js";
import type { Holder } from "../../models/files/writing/holder.js";
import { isSystemError } from "../../models/files/writing/system-error.js";

/**
 * How a claim ended: the result was published; the job was given back; the process that did it was killed; or the job itself
 * fails, as it will again.
 */
export type Ending =
  | { readonly end: "done"; readonly seconds: number }
  | { readonly end: "left" }
  | { readonly end: "lost" | "failed"; readonly reason: string; readonly stack?: string };

/**
 * A claim as it lies in its file, ID.N, the N-th of a job: a line that says who, whose time is the sign of life, and, once it has
 * ended, a line that says how.
 */
export interface Told {
  readonly holder: Partial<Holder>;
  readonly ending?: Ending;
  /** Changes with every sign of life. */
  readonly sign: string;
}

const objectIn = (line: string): object => {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : {};
  } catch {
    return {}; // of a moment in which it is being written
  }
};

/** Makes a claim's file, if there is none: of many that try at a time one does. Errors: the file system's. */
export const makeClaim = (path: string, holder: Holder): string | undefined => {
  const text = `${JSON.stringify(holder)}\n`;
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    if (isSystemError(error) && error.code === "EEXIST") return undefined;
    throw error;
  }
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return text;
};

/** Says how a claim ended. */
export const endClaim = (path: string, ending: Ending): void => {
  const file = openSync(path, "a");
  try {
    writeSync(file, `${JSON.stringify(ending)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

/** Reads a claim. It is opened, not only looked at: file systems over a network tell news then. */
export const readClaim = (path: string): Told => {
  const file = openSync(path, "r");
  try {
    const { mtimeMs, size } = fstatSync(file);
    const [who, how] = readFileSync(file, "utf8").split("\n");
    const holder: Partial<Holder> = objectIn(who);
    const ending = objectIn(how ?? "") as Ending;
    return { holder, sign: `${mtimeMs} ${size}`, ...("end" in ending ? { ending } : {}) };
  } finally {
    closeSync(file);
  }
};
