import { createHash, randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { reasonOf } from "../../models/files/writing/system-error.js";
import { Buffer } from "../../models/platform/node/globals.js";
import type { Rows } from "./rows.js";
import { type PackedRow, type RowForm, unpacked } from "./token-record.js";

/** Rows of tokens in a temporary file: what stays in memory is 20 bytes a row. */
export interface StoredRows<T> extends Rows<T> {
  readonly lengths: Int32Array;
  /** sha256, in hex, of all tokens, borders and labels: the same for the same data, wherever it lies. */
  readonly fingerprint: string;
  /** 53 bits of the sha256 of each row's tokens, borders and label: the same for the same row, wherever it stands. */
  readonly digests: Float64Array;
  /** Frees the disk space. Without it, that happens when the process ends, however it ends. */
  readonly close: () => void;
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
 * Writes rows of tokens into a temporary file, which has no name from the start, so that nothing is left behind, and gives
 * them back by number. Errors: InputError if the temporary folder cannot hold them.
 */
export const storeRows = async <T>(
  rows: AsyncIterable<PackedRow>,
  form: Pick<RowForm<T>, "row">,
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
    const digests = growing((length) => new Float64Array(length));
    const hash = createHash("sha256");
    let [pending, pendingBytes, size] = [[] as Uint8Array[], 0, 0];
    const flush = (): void => {
      const bytes = Buffer.concat(pending);
      for (let done = 0; done < bytes.length; ) done += guarded(() => writeSync(file, bytes, done));
      [pending, pendingBytes] = [[], 0];
    };
    for await (const { bytes, content, longest } of rows) {
      offsets.push(size);
      lengths.push(longest);
      const tokens = bytes.subarray(0, content);
      hash.update(tokens);
      digests.push(Number(createHash("sha256").update(tokens).digest().readBigUInt64LE() >> 11n));
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
      digests: digests.done(),
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
