import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { rowParts, stretchOf } from "../windows/rows.js";
import { filled } from "./fills.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import type { Part } from "./scatter-part.js";

/** Sums of rows by id. */
export interface RowSums {
  readonly ids: View;
  readonly updates: View;
  /** How the updates are stored. */
  readonly dtype: DType;
  readonly output: View;
  /** Are they added to what lies in the result? Else it is made anew. */
  readonly adds: boolean;
}

/** Runs of positions that kernels bind at once, with the ids, the updates and room to sort them. */
const positionsOf = (
  { ids, updates, dtype, output }: Omit<RowSums, "adds">,
  { kernelSet, windows, scratch: ask }: Lowering,
) => {
  const n = sizeOf(ids.shape);
  const { each, room } = kernelSet.rowSums;
  const work: View = { ...{ buffer: scratch(room), shape: [each * n], strides: [1] }, offset: ask(room, each * n) };
  return rowParts(
    "scatterAdd",
    n,
    [
      { view: ids, along: 1 },
      { view: updates, along: sizeOf(output.shape.slice(1)), dtype },
      { view: work, along: each, isWritten: true },
    ],
    windows,
  );
};

/** Can all positions be taken at once? */
export const takesAllAtOnce = (sums: Omit<RowSums, "adds">, lowering: Lowering): boolean =>
  positionsOf(sums, lowering).length <= 1;

/**
 * Zeros, then sums by row: positions are sorted by row first, so that one invocation adds the updates of one (row, column)
 * in the order of their positions. Deterministic without atomics; O(n) for n ids, whatever the number of rows. Result and
 * updates may be larger than a window: each run of rows takes all positions, run by run. Only where all are taken at once can
 * sums be added to what is there.
 */
export const rowSumKernels = (of: RowSums, lowering: Lowering): Kernel[] => {
  const { ids, dtype, output, adds } = of;
  const { kernelSet, windows } = lowering;
  const [size, n] = [sizeOf(output.shape), sizeOf(ids.shape)];
  if (size === 0) return [];
  const width = sizeOf(output.shape.slice(1));
  const isCleared = !adds && (kernelSet.rowSums.addsToZeros || n === 0);
  const clear = isCleared ? mapKernels(filled(stretchOf(output, 0, size), "f32"), lowering) : [];
  if (n === 0) return clear;
  const positions = positionsOf(of, lowering);
  const runs = rowParts("scatterAdd", output.shape[0], [{ view: output, along: width, isWritten: true }], windows);
  const kernels = runs.flatMap(({ from, rows, views: [to] }) => {
    const parts = positions.map(
      ({ from: at, views }): Part => ({
        ...{ first: from, rows, ids: views[0], updates: views[1], dtype },
        ...{ output: to, work: views[2], continues: at > 0, adds },
      }),
    );
    return kernelSet.rowSums.kernels(parts, stretchOf(output, from * width, rows * width), lowering);
  });
  return [...clear, ...kernels];
};

export const scatterAddKernels = ({ inputs: [ids, updates], dtypes, output }: CallStep, lowering: Lowering): Kernel[] =>
  rowSumKernels({ ids, updates, dtype: dtypes[1], output, adds: false }, lowering);
