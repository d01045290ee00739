import { type DType, sizeOf } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { type Builder, builder, type Kernel } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import type { Rowed } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";

/** A kernel over rows [rows, width]: lines that see `row`, and loop over `j`. */
export interface Rows {
  readonly k: Builder;
  readonly width: string;
  /** `name` = Σ or max over j of the value that `lines` compute. */
  readonly total: (name: string, kind: "sum" | "max", value: string, lines?: readonly string[]) => string[];
  /** For every j, once all of the above is known. */
  readonly each: (lines: readonly string[]) => string[];
  /** By one invocation of the row. */
  readonly once: (line: string) => string;
  readonly finish: (lines: readonly string[]) => Kernel;
}

/** A row belongs to one invocation, or on GPUs to a workgroup whose invocations take every n-th element. */
export const rowsKernel = (label: string, rows: number, width: number, lowering: Lowering): Rows => {
  const k = builder(label);
  const lanes = !lowering.wide ? 1 : width > 512 ? 256 : 64;
  const widthText = k.param(width);
  if (lanes > 1) k.declare(`var<workgroup> parts: array<f32, ${lanes}>;`);

  const total: Rows["total"] = (name, kind, value, lines = []) => {
    const start = kind === "sum" ? "0.0" : `-${k.helper("infinity")}()`;
    const join = (x: string, y: string) => (kind === "sum" ? `${x} + ${y}` : `${k.helper("max_nan")}(${x}, ${y})`);
    if (lanes === 1)
      return [
        `var ${name} = ${start};`,
        `for (var block = 0u; block < ${widthText}; block += 32u) {`, // blocks: long sums keep their digits
        `  var part = ${start};`,
        `  for (var j = block; j < min(block + 32u, ${widthText}); j++) {`,
        ...lines.map((line) => `    ${line}`),
        `    part = ${join("part", value)};`,
        "  }",
        `  ${name} = ${join(name, "part")};`,
        "}",
      ];
    return [
      `var ${name} = ${start};`,
      `for (var j = lane; j < ${widthText}; j += ${lanes}u) {`,
      ...lines.map((line) => `  ${line}`),
      `  ${name} = ${join(name, value)};`,
      "}",
      "workgroupBarrier();", // the parts of the last total have been read
      `parts[lane] = ${name};`,
      `for (var half = ${lanes / 2}u; half > 0u; half = half >> 1u) {`,
      "  workgroupBarrier();",
      `  if (lane < half) { parts[lane] = ${join("parts[lane]", "parts[lane + half]")}; }`,
      "}",
      "workgroupBarrier();",
      `${name} = parts[0];`,
    ];
  };

  return {
    k,
    width: widthText,
    total,
    each: (lines) => [
      `for (var j = ${lanes === 1 ? "0u" : "lane"}; j < ${widthText}; j += ${lanes}u) {`,
      ...lines.map((line) => `  ${line}`),
      "}",
    ],
    once: (line) => (lanes === 1 ? line : `if (lane == 0u) { ${line} }`),
    finish: (lines) => {
      const head = [
        lanes === 1 ? "let row = group * 64u + lane;" : "let row = group;",
        `if (row >= ${k.param(rows)}) { return; }`,
      ];
      const workgroups = lanes === 1 ? Math.ceil(rows / 64) : rows;
      return k.finish({ workgroupSize: lanes === 1 ? 64 : lanes, workgroups, body: indent([...head, ...lines]) });
    },
  };
};

/** [rows, width] of a view, by its last axis. */
export const rowsOf = ({ shape }: View): [number, number] => {
  const width = shape[shape.length - 1];
  return [width === 0 ? 0 : sizeOf(shape) / width, width];
};

/** Reads element (row, j) of a view. */
export const reader = ({ k, width }: Rows, view: View, dtype: DType): string =>
  k.buffer(view.buffer, dtype, "read").load(`${k.param(view.offset)} + row * ${width} + j`);

/** Writes element (row, j) of a view. */
export const writer = ({ k, width }: Rows, view: View) => {
  const out = k.buffer(view.buffer, "f32", "write");
  return (value: string): string => out.store(`${k.param(view.offset)} + row * ${width} + j`, value);
};

/** So many numbers of a view belong to a row; undefined: all of them to every row. */
export const along = (view: View, numbers: number | undefined, dtype: DType = "f32"): Rowed => ({
  view,
  along: numbers,
  dtype,
});
/** So many of them are written. */
export const written = (view: View, numbers: number): Rowed => ({ view, along: numbers, isWritten: true });
