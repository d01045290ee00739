import { ShapeError } from "../../core/errors.js";
import { type BaseOptions, baseRows, type Pair, ROW_LENGTH, type Row, sftRows } from "./documents.js";
import { draws } from "./draws.js";
import { PAD } from "./vocabulary.js";

/** Rows padded on the right to one length. */
export interface Batch {
  /** [B*T] token ids. */
  ids: Int32Array;
  /** [B*T]; 1 where the token *at t* is a target, which position t-1 predicts. Always 0 at t = 0 and on padding. */
  mask: Float32Array;
  /** B */
  rows: number;
  /** T */
  length: number;
}

/** Rows → batch. ShapeError where a row is longer than `length`. */
export const toBatch = (rows: readonly Row[], length = ROW_LENGTH): Batch => {
  const ids = new Int32Array(rows.length * length).fill(PAD);
  const mask = new Float32Array(rows.length * length);
  rows.forEach((row, b) => {
    if (row.ids.length > length) {
      throw new ShapeError(
        `toBatch: row ${b} has ${row.ids.length} tokens, more than the length ${length}`,
        "pass a greater length",
      );
    }
    ids.set(row.ids, b * length);
    mask.fill(1, b * length + Math.max(1, row.given), b * length + row.ids.length);
  });
  return { ids, mask, rows: rows.length, length };
};

/** What base training sees at a step: a function of (seed, step). */
export const baseBatch = (seed: number, step: number, rows: number, options: BaseOptions): Batch =>
  toBatch(baseRows(draws(seed, "base", step), rows, options));

/** What instruction tuning sees at a step: a function of (seed, step). */
export const sftBatch = (seed: number, step: number, rows: number): Batch =>
  toBatch(sftRows(draws(seed, "sft", step), rows));

/** B pairs → 2B rows: all chosen, then all rejected. */
export const pairBatch = (pairs: readonly Pair[]): Batch =>
  toBatch([...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)]);
