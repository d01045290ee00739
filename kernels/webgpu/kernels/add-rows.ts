import { sizeOf } from "../../../core/index.js";
import type { CallStep, MapStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { stretchOf } from "../windows/rows.js";
import { added } from "./fills.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { rowSumKernels, takesAllAtOnce } from "./scatter-add.js";

/** A scratch buffer that sums by row do not use. */
const SUMS = 3;

/**
 * A table plus sums of rows by id. Where the result lies over the table, rows that no id names are not touched; else they are
 * copied. Bits are those of the table plus `scatterAdd`: where positions must be taken run by run, they are just that.
 */
export const addRowsKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const { inputs, dtypes, output } = step;
  const [table, ids, updates] = inputs;
  const size = sizeOf(output.shape);
  if (size === 0) return [];
  const [given, result] = [table, output].map((view) => stretchOf(view, 0, size));
  const sums = { ids, updates, dtype: dtypes[2], output };
  if (!takesAllAtOnce(sums, lowering)) {
    const apart: View = { ...output, buffer: scratch(SUMS), offset: lowering.scratch(SUMS, size) };
    return [
      ...rowSumKernels({ ...sums, output: apart, adds: false }, lowering),
      ...mapKernels(added(given, dtypes[0], stretchOf(apart, 0, size), result), lowering),
    ];
  }
  const copy: MapStep = {
    ...{ kind: "map", shape: [size], inputs: [given], body: [{ op: "load", input: 0, dtype: dtypes[0] }] },
    outputs: [{ value: 0, view: result, dtype: "f32" }],
  };
  const isThere = table.buffer === output.buffer && table.offset === output.offset;
  return [...(isThere ? [] : mapKernels(copy, lowering)), ...rowSumKernels({ ...sums, adds: true }, lowering)];
};
