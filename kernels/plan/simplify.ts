import {
  add,
  addRows,
  concat,
  constantNumbers,
  full,
  type HostData,
  isHalf,
  matmul,
  permute,
  reachable,
  reshape,
  rewrite,
  sameShape,
  sizeOf,
  sliceAxis,
  type Tensor,
} from "../../core/index.js";
import { node } from "../../core/tensor.js";
import { type Access, accessor } from "./access/access.js";
import { reshapeView } from "./access/strided.js";
import { remake } from "./remake.js";
import { spelled } from "./spell.js";

/** An attribute as text: numbers, lists of numbers, text; large constants by identity. */
const attributeKey = (value: unknown, idOf: (x: object) => number): string => {
  if (typeof value === "number") return spelled(value);
  if (Array.isArray(value)) return `[${value}]`;
  if (!ArrayBuffer.isView(value)) return JSON.stringify(value);
  const data = value as HostData;
  return data.length === 1 ? spelled(data[0]) : `#${idOf(data)}`;
};

/** Merges nodes with the same op, attributes and inputs. Drops identity nodes but `after`, which keeps a recomputed graph apart. */
const mergeDuplicates = (outputs: readonly Tensor[]): Tensor[] => {
  const ids = new Map<object, number>();
  const idOf = (x: object): number => {
    const known = ids.get(x) ?? ids.size;
    ids.set(x, known);
    return known;
  };
  const known = new Map<string, Tensor>();
  return rewrite(outputs, (t, inputs) => {
    if (t.op.kind === "marker" && t.op.name !== "after") return inputs[0];
    if (t.op.name === "input" || t.op.name === "stored") return undefined;
    let key = `${idOf(t.op)} ${t.dtype} ${t.shape}`;
    for (const input of inputs) key += ` ${idOf(input)}`;
    for (const name in t.attrs) key += ` ${name}=${attributeKey(t.attrs[name], idOf)}`;
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    const kept = t.op.kind === "leaf" ? t : node(t.op, inputs, t.attrs, t.shape, t.dtype);
    known.set(key, kept);
    return kept;
  });
};

/** The number of a one-element constant seen through views, if it is one. */
export const literalOf = (t: Tensor): number | undefined => {
  let at = t;
  while (at.op.name === "broadcastTo" || at.op.name === "reshape") at = at.inputs[0];
  return at.op.name === "constant" && sizeOf(at.shape) === 1 ? constantNumbers(at).data[0] : undefined;
};

/** Two paddings that tile one axis, added, are a concat: what the gradient of slicing a tensor in two leaves. */
const joinPads = (x: Tensor, y: Tensor): Tensor | undefined => {
  if (x.op.name !== "pad" || y.op.name !== "pad") return undefined;
  const [lowX, lowY] = [x, y].map((t) => t.attrs.low as number[]);
  const [first, second] = lowX.every((n, i) => n <= lowY[i]) ? [x, y] : [y, x];
  const [a, b] = [first.inputs[0], second.inputs[0]];
  const axes = x.shape.flatMap((_, i) => (a.shape[i] === x.shape[i] && b.shape[i] === x.shape[i] ? [] : [i]));
  const [axis] = axes;
  const low = second.attrs.low as number[];
  const tiles =
    axes.length === 1 &&
    (first.attrs.low as number[])[axis] === 0 &&
    low[axis] === a.shape[axis] &&
    a.shape[axis] + b.shape[axis] === x.shape[axis];
  return tiles ? concat([a, b], axis) : undefined;
};

/** Of two terms, one of them rows added up that nobody else reads: added to the other where it lies. */
const addedRows = ([x, y]: readonly Tensor[], isOnly: (x: Tensor) => boolean): Tensor | undefined => {
  const isRows = (t: Tensor) => t.op.name === "scatterAdd" && isOnly(t);
  const [table, rows] = isRows(y) ? [x, y] : [y, x];
  return isRows(rows) ? addRows(table, rows.inputs[0], rows.inputs[1]) : undefined;
};

/** What was given, plus products joined along the first axis: each is added to its part, and never lies anywhere alone. */
const addedParts = ([x, y]: readonly Tensor[], isOnly: (x: Tensor) => boolean): Tensor | undefined => {
  const isSum = (t: Tensor): boolean => t.op.name === "matmul" || (t.op.name === "add" && t.inputs.some(isSum));
  const isJoined = (t: Tensor) =>
    t.op.name === "concat" && t.attrs.axis === 0 && t.inputs.length > 1 && t.inputs.every(isSum) && isOnly(t);
  const [given, joined] = isJoined(y) ? [x, y] : [y, x];
  if (given.op.name !== "input" || given.dtype !== "f32" || !isJoined(joined)) return undefined;
  let at = 0;
  const parts = joined.inputs.map((part) => {
    at += part.shape[0];
    return add(sliceAxis(given, 0, at - part.shape[0], at), part);
  });
  return concat(parts, 0);
};

const arithmetic: Readonly<Record<string, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
};

/**
 * Arithmetic of literals, 1 − β and the like, done once and rounded as the program would round it: folding must not change
 * what is computed (law 13: in f32, 0.02 + 5e-10 is 0.02).
 */
const folded = (t: Tensor, inputs: readonly Tensor[], round: (x: number) => number): Tensor | undefined => {
  const operate = arithmetic[t.op.name];
  if (operate === undefined || t.dtype !== "f32") return undefined;
  const [a, b] = inputs.map(literalOf);
  return a === undefined || b === undefined ? undefined : full(t.shape, round(operate(round(a), round(b))));
};

/** Local rules: each sees a node with simplified inputs and gives something simpler, or undefined. */
const rules: Readonly<
  Record<
    string,
    (
      t: Tensor,
      inputs: readonly Tensor[],
      uses: (x: Tensor) => number,
      access: (x: Tensor) => Access,
      has: (name: string) => boolean,
    ) => Tensor | undefined
  >
> = {
  add: (t, [x, y], uses, _, has) => {
    if (literalOf(y) === 0) return x;
    if (literalOf(x) === 0) return y;
    const isOnly = (one: Tensor) => uses(t.inputs[one === x ? 0 : 1]) === 1;
    return joinPads(x, y) ?? addedParts([x, y], isOnly) ?? (has("addRows") ? addedRows([x, y], isOnly) : undefined);
  },
  sub: (_, [x, y]) => (literalOf(y) === 0 ? x : undefined),
  mul: (_, [x, y]) => (literalOf(y) === 1 ? x : literalOf(x) === 1 ? y : undefined),
  div: (_, [x, y]) => (literalOf(y) === 1 ? x : undefined),
  // What was of a 16-bit dtype fits it still.
  cast: (t, [x]) =>
    x.op.name === "cast" && isHalf(t.dtype) && x.inputs[0].dtype === t.dtype ? x.inputs[0] : undefined,
  reshape: (t, [x], uses, access) => {
    if (sameShape(x.shape, t.shape)) return x;
    if (x.op.name === "reshape") return reshape(x.inputs[0], t.shape);
    // A pointwise run fuses only within one shape: move the reshape up to its inputs where that costs no copy.
    if (x.op.kind !== "pointwise" || x.inputs.length === 0 || uses(t.inputs[0]) > 1) return undefined;
    if (x.inputs.some((input) => reshapeView(access(input).view, t.shape) === undefined)) return undefined;
    return remake(
      x,
      x.inputs.map((input) => reshape(input, t.shape)),
      t.shape,
    );
  },
  slice: (t, [x]) => {
    if (x.op.name !== "concat") return undefined;
    const axis = x.attrs.axis as number;
    const starts = t.attrs.starts as number[];
    let at = 0;
    for (const part of x.inputs) {
      if (at === starts[axis] && sameShape(part.shape, t.shape)) return part;
      at += part.shape[axis];
    }
    return undefined;
  },
  permute: (t, [x], uses) => {
    if (x.op.name === "permute") {
      const inner = x.attrs.axes as number[];
      return permute(
        x.inputs[0],
        (t.attrs.axes as number[]).map((axis) => inner[axis]),
      );
    }
    // (ab)ᵀ = bᵀaᵀ: a transposed result becomes transposed operands, which cost nothing.
    const rank = t.shape.length;
    const axes = t.attrs.axes as number[];
    const swapsLastTwo = axes.every((axis, i) => axis === (i < rank - 2 ? i : i === rank - 1 ? rank - 2 : rank - 1));
    if (x.op.name !== "matmul" || !swapsLastTwo || uses(t.inputs[0]) > 1) return undefined;
    const [a, b] = x.inputs;
    return matmul(permute(b, axes), permute(a, axes), x.attrs);
  },
};

/** How far rules work on what rules made: so many pointwise ops a reshape travels up. */
const MOST_REWRITES = 50;

const applyRules = (
  outputs: readonly Tensor[],
  has: (name: string) => boolean,
  round: (x: number) => number,
): Tensor[] => {
  const counts = new Map<Tensor, number>();
  const count = (t: Tensor) => counts.set(t, (counts.get(t) ?? 0) + 1);
  outputs.forEach(count);
  for (const t of reachable(outputs)) t.inputs.forEach(count);
  const uses = (t: Tensor) => counts.get(t) ?? 1;
  const access = accessor();
  const apply = (t: Tensor, inputs: readonly Tensor[]) => {
    // What stands for a node has its uses.
    inputs.forEach((x, i) => {
      if (!counts.has(x)) counts.set(x, uses(t.inputs[i]));
    });
    return rules[t.op.name]?.(t, inputs, uses, access, has) ?? folded(t, inputs, round);
  };
  return rewrite(outputs, apply, MOST_REWRITES);
};

/**
 * The graph a device plans: markers gone, duplicates merged, fused ops without a kernel expanded, views simplified.
 * Duplicates are merged before expansion only: what a fused op recomputes in its gradient stays recomputed. `round` brings
 * a number to the precision that the program computes in.
 */
export const simplify = (
  outputs: readonly Tensor[],
  has: (name: string) => boolean,
  round: (x: number) => number,
): Tensor[] => {
  const open = (t: Tensor, inputs: readonly Tensor[]) => {
    if (t.op.kind === "marker") return inputs[0];
    return has(t.op.name) ? undefined : t.op.expand?.(t, inputs, has);
  };
  return applyRules(rewrite(mergeDuplicates(outputs), open, Number.POSITIVE_INFINITY), has, round);
};
