import { isHalf, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { builder, type Kernel } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { type Rowed, type RowPart, rowParts } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";

/**
 * out[i, j] = table[ids[i], j], 0 for an id outside. One invocation an element. A table larger than a window is read in runs of
 * rows: the first writes everything, the others the rows that they have.
 */
export const gatherKernels = ({ inputs: [table, ids], dtypes, output }: CallStep, { windows }: Lowering): Kernel[] => {
  const size = sizeOf(output.shape);
  if (size === 0) return [];
  const [rows, width] = [table.shape[0], sizeOf(table.shape.slice(1))];
  const dtype = isHalf(dtypes[0]) ? "f32" : dtypes[0];
  const kernel = (id: View, some: View, to: View, first: number, count: number): Kernel => {
    const k = builder("gather");
    const source = k.buffer(some.buffer, dtypes[0], "read");
    const index = k.buffer(id.buffer, "i32", "read");
    const out = k.buffer(to.buffer, dtype, "write");
    const [widthText, firstText] = [k.param(width), k.param(first)];
    const stored = out.store(`${k.param(to.offset)} + i`, "value");
    const body = [
      "let i = group * 64u + lane;",
      `if (i >= ${k.param(sizeOf(to.shape))}) { return; }`,
      `let id = ${index.load(`${k.param(id.offset)} + i / ${widthText}`)};`,
      `var value = ${dtype}();`,
      `let isHere = id >= i32(${firstText}) && u32(id) - ${firstText} < ${k.param(count)};`,
      "if (isHere) {",
      `  value = ${source.load(`${k.param(some.offset)} + (u32(id) - ${firstText}) * ${widthText} + i % ${widthText}`)};`,
      "}",
      `if (isHere || ${firstText} == 0u) { ${stored} }`,
    ];
    return k.finish({ workgroupSize: 64, workgroups: Math.ceil(sizeOf(to.shape) / 64), body: indent(body) });
  };
  // The table's part and the ids' are cut apart: a kernel binds one of each.
  const n = sizeOf(ids.shape);
  const runs = (what: string, count: number, over: readonly Rowed[]) => rowParts(what, count, over, windows);
  const tables = rows === 0 ? [] : runs("gather", rows, [{ view: table, along: width, dtype: dtypes[0] }]);
  const wanted = runs("gather", n, [
    { view: ids, along: 1 },
    { view: output, along: width, isWritten: true },
  ]);
  const none: RowPart = { from: 0, rows: 0, views: [table] };
  return (tables.length === 0 ? [none] : tables).flatMap(({ from, rows: count, views: [some] }) =>
    wanted.map(({ views: [id, to] }) => kernel(id, some, to, from, count)),
  );
};
