import { type DType, sizeOf } from "../../../../core/index.js";
import { collapse } from "../../../plan/access/collapse.js";
import type { MatmulStep, View } from "../../../plan/steps.js";
import { type Builder, builder, type Quads } from "../../wgsl/module.js";
import { plus, walk } from "../../wgsl/walk.js";
import { storedAs } from "../../windows/map.js";

/** Address of an element in two parts to be added: from the index before last, with the base, and from the last index. */
export interface Addressed {
  readonly dtype: DType;
  readonly outer: (index: string) => string;
  readonly unit: (index: string) => string;
  readonly load: (address: string) => string;
  /** Do neighbours in memory lie along the inner axis? */
  readonly along: boolean;
  /** Reads four neighbours at once, where each four of the axis on which neighbours lie begins at a multiple of four. */
  readonly quads: (() => Quads) | undefined;
}

/** The axis, -1 (the last) or -2, on which neighbours lie in memory; it may be neither. */
const lyingAlong = ({ shape, strides }: View): -1 | -2 =>
  strides[strides.length - 2] === 1 && (strides[strides.length - 1] !== 1 || shape[shape.length - 1] === 1) ? -2 : -1;

/** Are rows (or columns) of a matrix whole quads of memory? */
export const isWholeQuads = ({ shape, strides, offset }: View, axis: -1 | -2): boolean => {
  const at = shape.length + axis;
  return strides[at] === 1 && [offset, shape[at], ...strides.filter((_, i) => i !== at)].every((x) => x % 4 === 0);
};

/** One operand as a list of rows (columns of b), each along the inner axis. */
export interface Side extends Addressed {
  readonly name: "a" | "b";
  /** Names of the first row of a tile, and of how many rows there are. */
  readonly origin: string;
  readonly limit: string;
  readonly ofRow: (row: string) => string;
  readonly ofInner: (index: string) => string;
}

/** What all variants need. a is addressed by (row, inner), b by (inner, column). */
export interface MatmulText {
  readonly k: Builder;
  readonly sizes: { readonly m: number; readonly n: number; readonly inner: number; readonly batch: number };
  readonly m: string;
  readonly n: string;
  /** Lines that define baseA, baseB and baseOut from `batch`. */
  readonly bases: readonly string[];
  readonly a: Addressed;
  readonly b: Addressed;
  /** Both operands alike, by their rows (columns of b) and the inner axis, for kernels that bring blocks into workgroup memory. */
  readonly sides: readonly [Side, Side];
  /** Where a row of the output begins. */
  readonly outRow: (row: string) => string;
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
  const inputs = step.epilogue?.inputs ?? [];
  /** Whoever else reads that memory has to see the same numbers in it. */
  const seenAs = (buffer: number): Set<DType> =>
    new Set([
      ...[a, b].flatMap((view, i) => (view.buffer === buffer ? [step.dtypes[i]] : [])),
      ...inputs.flatMap((view, i) => (view.buffer === buffer ? [storedAs(step.epilogue?.body ?? [], i + 1)] : [])),
    ]);
  const addressed = (view: View, dtype: DType, base: string, inner: -1 | -2): Addressed => {
    const access = k.buffer(view.buffer, dtype, "read");
    const axis = lyingAlong(view);
    const isQuads = isWholeQuads(view, axis) && seenAs(view.buffer).size === 1;
    const [outer, unit] = view.strides
      .slice(-2)
      .map((stride) => (index: string) => (stride === 1 ? index : `${index} * ${k.param(stride)}`));
    return {
      ...{ outer: (row: string) => plus(base, outer(row)), unit, load: access.load, dtype },
      along: axis === inner,
      quads: isQuads ? () => k.quads(view.buffer, dtype) : undefined,
    };
  };
  const [mText, nText] = [k.param(m), k.param(n)];
  const left = addressed(a, step.dtypes[0], "baseA", -1);
  const right = addressed(b, step.dtypes[1], "baseB", -2);
  return {
    k,
    sizes: { m, n, inner, batch: sizeOf(lead) },
    m: mText,
    n: nText,
    bases: [
      ...lines,
      `let baseA = ${plus(k.param(a.offset), offsets[0])};`,
      `let baseB = ${plus(k.param(b.offset), offsets[1])};`,
      `let baseOut = ${plus(k.param(output.offset), offsets[2])};`,
    ],
    a: left,
    b: right,
    sides: [
      { ...left, name: "a", origin: "row", limit: mText, ofRow: left.outer, ofInner: left.unit },
      { ...right, name: "b", origin: "column", limit: nText, ofRow: right.unit, ofInner: right.outer },
    ],
    outRow: (row) => `baseOut + (${row}) * ${k.param(output.strides[rank - 2])}`,
  };
};
