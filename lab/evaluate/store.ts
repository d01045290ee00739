import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../../core/errors.js";
import { writeTextAtomically } from "../../models/files/atomic.js";
import { isObject } from "../../models/files/json.js";
import { readRegular } from "../../models/files/regular.js";

/** A short name of what something was computed from. */
export const fingerprintOf = (...parts: readonly unknown[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);

/** Most bytes of what an earlier call left. */
const LARGEST_STORE = 2 ** 30;

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** What a file holds of an earlier call, if it was computed from the same; a torn last line does not count. */
const found = (path: string, fingerprint: string): Map<number, unknown> | undefined => {
  if (!existsSync(path)) return undefined;
  const lines = new TextDecoder().decode(readRegular(path, LARGEST_STORE)).split("\n").slice(0, -1);
  const values = lines.map((line): unknown => {
    try {
      return JSON.parse(line);
    } catch {
      return undefined;
    }
  });
  const [head] = values;
  if (!isObject(head) || head.fingerprint !== fingerprint) return undefined;
  return new Map(
    values.filter(isObject).flatMap(({ row, value }) => (Number.isInteger(row) ? [[row as number, value]] : [])),
  );
};

/**
 * Values of rows 0 … count−1, computed in the batches that are given. With a path each batch is written down as it is
 * done, so that a call that was cut off goes on where it stopped, with the same batches and so the same numbers.
 * Errors: InputError if the file cannot be written.
 */
export const remembered = async <T>(
  path: string | undefined,
  fingerprint: string,
  batches: readonly (readonly number[])[],
  compute: (rows: readonly number[]) => Promise<readonly T[]>,
): Promise<readonly T[]> => {
  const before = path === undefined ? undefined : found(path, fingerprint);
  const values = new Map((before ?? new Map()) as Map<number, T>);
  const out: T[] = [];
  const file = path === undefined ? undefined : begun(path, fingerprint, values);
  try {
    for (const rows of batches) {
      if (!rows.every((row) => values.has(row))) {
        const fresh = await compute(rows);
        for (const [i, row] of rows.entries()) values.set(row, fresh[i]);
        if (file !== undefined) writeSync(file, rows.map((row) => lineOf({ row, value: values.get(row) })).join(""));
      }
      for (const row of rows) out[row] = values.get(row) as T;
    }
    return out;
  } finally {
    if (file !== undefined) closeSync(file);
  }
};

/** The file with its first line and what is known already, open at its end. */
const begun = (path: string, fingerprint: string, known: ReadonlyMap<number, unknown>): number => {
  const lines = [{ fingerprint }, ...[...known].map(([row, value]) => ({ row, value }))].map(lineOf);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeTextAtomically(path, lines.join(""));
    return openSync(path, "a");
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path}: cannot be written (${error instanceof Error ? error.message : String(error)})`);
  }
};
