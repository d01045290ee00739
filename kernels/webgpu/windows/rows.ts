import { type DType, sizeOf } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { cut } from "./box.js";
import { reads, type Touched, type Windows, writes } from "./windows.js";

/** A contiguous view as rows: `along` numbers of it belong to a row; undefined: all of it belongs to every row. */
export interface Rowed {
  readonly view: View;
  readonly along: number | undefined;
  /** Default: f32, or another of four bytes. */
  readonly dtype?: DType;
  readonly isWritten?: boolean;
}

/** Contiguous numbers `from` … `from + count` of a view. */
export const stretchOf = (view: View, from: number, count: number): View => ({
  buffer: view.buffer,
  shape: [count],
  strides: [1],
  offset: view.offset + from,
});

/** Rows of one kernel, and its views over them: windows, each [rows, along] or the whole vector. */
export interface RowPart {
  readonly from: number;
  readonly rows: number;
  readonly views: readonly View[];
}

/**
 * Work on rows that do not know of one another, as kernels on runs of rows whose windows fit. The last row may be a short one.
 */
export const rowParts = (what: string, rows: number, over: readonly Rowed[], windows: Windows): RowPart[] => {
  const seen = ({ view, along }: Rowed, from: number, to: number): View => {
    const size = sizeOf(view.shape);
    if (along === undefined) return stretchOf(view, 0, size);
    const count = Math.min((to - from) * along, size - from * along);
    const part = stretchOf(view, from * along, count);
    return count === (to - from) * along ? { ...part, shape: [to - from, along], strides: [along, 1] } : part;
  };
  const touched = (from: number, to: number): Touched[] =>
    over.map((one) => (one.isWritten === true ? writes : reads)(seen(one, from, to), one.dtype));
  return cut(
    { from: 0, to: rows },
    ({ from, to }) => windows.fits(touched(from, to)),
    ({ from, to }) => {
      if (to - from <= 1) return windows.refuse(what, touched(from, to));
      const middle = Math.ceil((from + to) / 2);
      return [
        { from, to: middle },
        { from: middle, to },
      ];
    },
  ).map(({ from, to }) => ({ from, rows: to - from, views: windows.place(touched(from, to)) }));
};
