import { type DType, sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { MatmulStep, View } from "../../plan/steps.js";
import { type Builder, builder } from "../wgsl/module.js";
import { plus, walk } from "../wgsl/walk.js";

/** Address of an element in two parts to be added: from the index before last, with the base, and from the last index. */
interface Addressed {
  readonly outer: (index: string) => string;
  readonly unit: (index: string) => string;
  readonly load: (address: string) => string;
}

/** What both variants need. a is addressed by (row, inner), b by (inner, column). */
export interface MatmulText {
  readonly k: Builder;
  readonly sizes: { readonly m: number; readonly n: number; readonly inner: number; readonly batch: number };
  readonly m: string;
  readonly n: string;
  /** Lines that define baseA, baseB and baseOut from `batch`. */
  readonly bases: readonly string[];
  readonly a: Addressed;
  readonly b: Addressed;
  /** Where a row of the output begins. */
  readonly outRow: (row: string) => string;
  /** Whether neighbouring k (of a), or neighbouring columns (of b), are neighbours in memory. */
  readonly rowsOfA: boolean;
  readonly rowsOfB: boolean;
}

export const matmulText = (step: MatmulStep): MatmulText => {
  const k = builder("matmul");
  const { a, b, output } = step;
  const rank = a.shape.length;
  const [m, inner] = a.shape.slice(-2);
  const n = b.shape[rank - 1];
  const lead = a.shape.slice(0, -2);
  const space = collapse({ shape: lead, strides: [a, b, output].map((view) => view.strides.slice(0, -2)) });
  const { lines, offsets } = walk(k, space.shape, space.strides, "batch", "axis");
  const addressed = (view: View, dtype: DType, base: string) => {
    const access = k.buffer(view.buffer, dtype, "read");
    const [outer, unit] = view.strides
      .slice(-2)
      .map((stride) => (index: string) => (stride === 1 ? index : `${index} * ${k.param(stride)}`));
    return { outer: (row: string) => plus(base, outer(row)), unit, load: access.load };
  };
  return {
    k,
    sizes: { m, n, inner, batch: sizeOf(lead) },
    m: k.param(m),
    n: k.param(n),
    bases: [
      ...lines,
      `let baseA = ${plus(k.param(a.offset), offsets[0])};`,
      `let baseB = ${plus(k.param(b.offset), offsets[1])};`,
      `let baseOut = ${plus(k.param(output.offset), offsets[2])};`,
    ],
    a: addressed(a, step.dtypes[0], "baseA"),
    b: addressed(b, step.dtypes[1], "baseB"),
    outRow: (row) => `baseOut + (${row}) * ${k.param(output.strides[rank - 2])}`,
    rowsOfA: a.strides[rank - 1] === 1,
    rowsOfB: b.strides[rank - 1] === 1,
  };
};
