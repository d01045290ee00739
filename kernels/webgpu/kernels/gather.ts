import { isHalf, sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { builder, type Kernel } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";

/** out[i, j] = table[ids[i], j], 0 for an id outside. One invocation an element. */
export const gatherKernels = ({ inputs: [table, ids], dtypes, output }: CallStep): Kernel[] => {
  const size = sizeOf(output.shape);
  if (size === 0) return [];
  const k = builder("gather");
  const dtype = isHalf(dtypes[0]) ? "f32" : dtypes[0];
  const source = k.buffer(table.buffer, dtypes[0], "read");
  const index = k.buffer(ids.buffer, "i32", "read");
  const out = k.buffer(output.buffer, dtype, "write");
  const width = k.param(sizeOf(table.shape.slice(1)));
  const body = [
    "let i = group * 64u + lane;",
    `if (i >= ${k.param(size)}) { return; }`,
    `let id = ${index.load(`${k.param(ids.offset)} + i / ${width}`)};`,
    `var value = ${dtype}();`,
    `if (id >= 0 && u32(id) < ${k.param(table.shape[0])}) {`,
    `  value = ${source.load(`${k.param(table.offset)} + u32(id) * ${width} + i % ${width}`)};`,
    "}",
    out.store(`${k.param(output.offset)} + i`, "value"),
  ];
  return [k.finish({ workgroupSize: 64, workgroups: Math.ceil(size / 64), body: indent(body) })];
};
