import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { isObject } from "../../models/files/json.js";
import { readRegular } from "../../models/files/regular.js";
import { type Appender, openAppend } from "../../models/files/writing/append.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";

/** A short name of what something was computed from. */
export const fingerprintOf = (...parts: readonly unknown[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);

/** Most bytes of what an earlier call left. */
const LARGEST_STORE = 2 ** 28;

/** Where values are kept, and what they were computed from. */
export interface Store {
  /** Undefined: nowhere. */
  readonly path: string | undefined;
  readonly fingerprint: string;
  /** Hears, in one line, of what is there and cannot be used. */
  readonly tell: (line: string) => void;
}

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** A row's value, with a digest of both and of what it was computed from. */
const rowLine = (fingerprint: string, row: number, value: unknown): string =>
  lineOf({ row, value, digest: fingerprintOf(fingerprint, row, value) });

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

/** The row and value on a line, if it is as it was written. */
const entryOf = (fingerprint: string, line: string): [row: number, value: unknown] | undefined => {
  const entry = parsed(line);
  if (!isObject(entry) || !Number.isInteger(entry.row)) return undefined;
  const { row, value } = entry;
  return `${line}\n` === rowLine(fingerprint, row as number, value) ? [row as number, value] : undefined;
};

/** Was it a call that wrote a line? */
const isOurs = (line: string): boolean => {
  const entry = parsed(line);
  return isObject(entry) && ("fingerprint" in entry || ("row" in entry && "digest" in entry));
};

/**
 * What a file holds of an earlier call, if it was computed from the same; lines that are not as they were written do not count.
 * Errors: InputError for a file that no call has written.
 */
const found = (path: string, { fingerprint, tell }: Store): Map<number, unknown> | undefined => {
  if (!existsSync(path)) return undefined;
  const [head, ...lines] = new TextDecoder().decode(readRegular(path, LARGEST_STORE)).split("\n");
  if ((head !== "" || lines.length > 0) && ![head, ...lines].some(isOurs))
    throw new InputError(
      `${path}: holds no answers of an earlier call, and would be overwritten; choose another folder`,
    );
  if (`${head}\n` !== lineOf({ fingerprint })) {
    tell(`${path}: holds what another model or other settings said, and is begun anew`);
    return undefined;
  }
  const entries = lines.filter((line) => line !== "").map((line) => entryOf(fingerprint, line));
  const whole = entries.filter((entry) => entry !== undefined);
  const lost = entries.length - whole.length;
  if (lost > 0)
    tell(`warning: ${path}: ${lost} line${lost === 1 ? " is" : "s are"} not as written; those rows are computed again`);
  return new Map(whole);
};

/**
 * Values of rows 0 … count−1, computed in the batches that are given. With a path each batch is written down as it is
 * done, so that a call that was cut off goes on where it stopped, with the same batches and so the same numbers; a value that
 * does not hold any more is computed again.
 * Errors: InputError if the file cannot be written, or is none of such a call.
 */
export const remembered = async <T>(
  store: Store,
  batches: readonly (readonly number[])[],
  compute: (rows: readonly number[]) => Promise<readonly T[]>,
  stillHolds: (row: number, value: T) => boolean = () => true,
): Promise<readonly T[]> => {
  const { path, fingerprint } = store;
  const kept = path === undefined ? undefined : found(path, store);
  const before = new Map([...(kept ?? [])].filter(([row, value]) => stillHolds(row, value as T)));
  const whole = batches.filter((rows) => rows.every((row) => before.has(row))).flat();
  const values = new Map(whole.map((row) => [row, before.get(row) as T]));
  const out: T[] = [];
  const file = path === undefined ? undefined : begun(path, fingerprint, values);
  try {
    for (const rows of batches) {
      if (!rows.every((row) => values.has(row))) {
        const fresh = await compute(rows);
        for (const [i, row] of rows.entries()) values.set(row, fresh[i]);
        file?.write(rows.map((row) => rowLine(fingerprint, row, values.get(row))).join(""));
        await new Promise(setImmediate); // lets signals in
      }
      for (const row of rows) out[row] = values.get(row) as T;
    }
    return out;
  } finally {
    file?.close();
  }
};

/** The file with its first line and what is known already, open at its end. */
const begun = (path: string, fingerprint: string, known: ReadonlyMap<number, unknown>): Appender => {
  const lines = [lineOf({ fingerprint }), ...[...known].map(([row, value]) => rowLine(fingerprint, row, value))];
  const text = lines.join("");
  writeTextAtomically(path, text);
  return openAppend(path, Buffer.byteLength(text));
};
