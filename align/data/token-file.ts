import { createHash, randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { reasonOf } from "../../models/files/system-error.js";
import type { Rows } from "./rows.js";
import type { Sequence, Span } from "./sequence.js";

/** Rows of tokens in a temporary file: what stays in memory is 12 bytes a row. */
export interface StoredRows<T> extends Rows<T> {
  readonly lengths: Int32Array;
  /** sha256, in hex, of all tokens, borders and labels: the same for the same data, wherever it lies. */
  readonly fingerprint: string;
  /** Frees the disk space. Without it, that happens when the process ends, however it ends. */
  readonly close: () => void;
}

/** How a row is taken apart into sequences of tokens, and made again. */
export interface RowForm<T> {
  readonly sequences: (row: T) => readonly Sequence[];
  /** A number that belongs to the row. Default 0. */
  readonly label?: (row: T) => number;
  readonly row: (sequences: readonly Sequence[], label: number, at: string) => T;
}

/** A list of numbers that grows, in 8 or 4 bytes each. */
const growing = <A extends Float64Array | Int32Array>(make: (length: number) => A) => {
  let values = make(1024);
  let length = 0;
  return {
    push: (value: number): void => {
      if (length === values.length) {
        const more = make(2 * length);
        more.set(values);
        values = more;
      }
      values[length++] = value;
    },
    done: (): A => values.slice(0, length) as A,
  };
};

/** Bytes that are gathered before they are written. */
const PIECE = 1 << 20;

/**
 * A record is words of 32 bits: number of sequences, label; of each sequence its completionStart, its length and how
 * many spans it has (−1: none are given); the spans of all; the tokens of all; `at` in UTF-8, filled up to whole words with zeros.
 */
const packed = <T extends { readonly at?: string }>(row: T, form: RowForm<T>) => {
  const at = Buffer.from(row.at ?? "", "utf8");
  const sequences = form.sequences(row);
  const heads = [
    ...sequences.flatMap(({ completionStart, ids, spans }) => [completionStart, ids.length, spans?.length ?? -1]),
    ...sequences.flatMap(({ spans = [] }) => spans.flat()),
  ];
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const words = new Int32Array(2 + heads.length + tokens + Math.ceil(at.length / 4));
  words.set([sequences.length, form.label?.(row) ?? 0, ...heads]);
  let next = 2 + heads.length;
  for (const { ids } of sequences) {
    words.set(ids, next);
    next += ids.length;
  }
  const content = Buffer.from(words.buffer, 0, 4 * next);
  new Uint8Array(words.buffer, 4 * next).set(at);
  return { bytes: new Uint8Array(words.buffer), content, longest: Math.max(...sequences.map(({ ids }) => ids.length)) };
};

const unpacked = <T>(words: Int32Array<ArrayBuffer>, form: RowForm<T>): T => {
  const [count, label] = words;
  let next = 2 + 3 * count;
  const heads = Array.from({ length: count }, (_, i) => {
    const [completionStart, length, many] = words.subarray(2 + 3 * i);
    if (many < 0) return { completionStart, length };
    const spans = Array.from({ length: many }, (__, k): Span => [words[next + 2 * k], words[next + 2 * k + 1]]);
    next += 2 * many;
    return { completionStart, length, spans };
  });
  const sequences = heads.map(({ length, ...head }): Sequence => {
    const ids = Array.from(words.subarray(next, next + length));
    next += length;
    return { ids, ...head };
  });
  const at = Buffer.from(words.buffer, 4 * next).toString("utf8");
  return form.row(sequences, label, at.replaceAll("\0", ""));
};

/**
 * Writes rows of tokens into a temporary file, which has no name from the start, so that nothing is left behind, and gives
 * them back by number. Errors: InputError if the temporary folder cannot hold them.
 */
export const storeRows = async <T extends { readonly at?: string }>(
  rows: AsyncIterable<T>,
  form: RowForm<T>,
): Promise<StoredRows<T>> => {
  const folder = tmpdir();
  const guarded = <R>(run: () => R): R => {
    try {
      return run();
    } catch (error) {
      throw new InputError(
        `${folder}: the tokens of the data set do not go there (${reasonOf(error)}); set TMPDIR to a folder with more room`,
      );
    }
  };
  const name = join(folder, `taugrad-${randomUUID()}`);
  const file = guarded(() => openSync(name, "wx+", 0o600));
  try {
    guarded(() => unlinkSync(name));
    const offsets = growing((length) => new Float64Array(length));
    const lengths = growing((length) => new Int32Array(length));
    const hash = createHash("sha256");
    let [pending, pendingBytes, size] = [[] as Uint8Array[], 0, 0];
    const flush = (): void => {
      const bytes = Buffer.concat(pending);
      for (let done = 0; done < bytes.length; ) done += guarded(() => writeSync(file, bytes, done));
      [pending, pendingBytes] = [[], 0];
    };
    for await (const row of rows) {
      const { bytes, content, longest } = packed(row, form);
      offsets.push(size);
      lengths.push(longest);
      hash.update(content);
      pending.push(bytes);
      size += bytes.length;
      pendingBytes += bytes.length;
      if (pendingBytes >= PIECE) flush();
    }
    flush();
    offsets.push(size);
    const starts = offsets.done();
    return {
      length: starts.length - 1,
      lengths: lengths.done(),
      fingerprint: hash.digest("hex"),
      at: (index) => {
        const words = new Int32Array((starts[index + 1] - starts[index]) / 4);
        const read = readSync(file, words, 0, words.byteLength, starts[index]);
        if (read !== words.byteLength) throw new InputError(`${folder}: the temporary file of tokens was cut off`);
        return unpacked(words, form);
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
};
