import type { Graph } from "../device.js";
import { isHalf } from "../dtype.js";
import { substitute } from "../expand.js";
import { cast } from "../ops/cast.js";
import { writeRows } from "../ops/fused/write-rows.js";
import { gather } from "../ops/index-ops.js";
import { placeholder } from "../ops/leaf.js";
import { add } from "../ops/pointwise.js";
import { reshape } from "../ops/view.js";
import type { Tensor } from "../tensor.js";
import type { LoopAttrs } from "./attrs.js";

/** One step of a loop: its state in, its state out, in the same memory. */
export interface Step {
  /** Inputs are the state, then what is walked, then what is shared; outputs the state, which is donated. */
  readonly graph: Graph;
  /** The state is the number of the row, the carries, and tables [1, N, …] of these parts, which are written row by row. */
  readonly tables: readonly number[];
}

/** A loop's step as a program of its own. Of what it stacks only the parts that are `read` are. */
export const stepOf = (
  { carries, rows, shared, next, made, length, reverse }: LoopAttrs,
  read: (part: number) => boolean,
): Step => {
  const index = placeholder([1], "i32");
  const walked = rows.map((t) => placeholder([length, ...t.shape], t.dtype));
  const stands = new Map<Tensor, Tensor>([...carries, ...shared].map((t) => [t, t]));
  rows.forEach((t, i) => {
    stands.set(t, cast(reshape(gather(walked[i], index), t.shape), t.dtype));
  });
  const after = substitute([...next, ...made, ...carries], stands);
  const tables = after.map((_, part) => part).filter((part) => part >= next.length && read(part));
  const before = tables.map((part) => {
    const { shape, dtype } = after[part];
    return placeholder([1, length, ...shape], isHalf(dtype) ? "f32" : dtype);
  });
  const written = tables.map((part, i) => {
    const row = cast(after[part], before[i].dtype);
    return writeRows(before[i], reshape(row, [1, 1, ...row.shape]), index);
  });
  const state = [index, ...carries, ...before];
  return {
    graph: {
      inputs: [...state, ...walked, ...shared],
      outputs: [add(index, reverse ? -1 : 1), ...after.slice(0, next.length), ...written],
      donated: state.map((_, i) => i),
    },
    tables,
  };
};
