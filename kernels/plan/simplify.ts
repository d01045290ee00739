import {
  concat,
  constantData,
  expand,
  full,
  matmul,
  type Op,
  permute,
  reachable,
  reshape,
  rewrite,
  sameShape,
  sizeOf,
  type Tensor,
} from "../../core/index.js";
import { accessor } from "./access.js";
import { remake } from "./remake.js";
import { reshapeView } from "./strided.js";

const isMarker = (t: Tensor): boolean => t.op.kind === "marker";

/** Drops identity nodes. `after` stays until duplicates are merged: it keeps a recomputed graph apart. */
const dropMarkers = (outputs: readonly Tensor[], keep?: string): Tensor[] =>
  rewrite(outputs, (t, inputs) => (isMarker(t) && t.op.name !== keep ? inputs[0] : undefined));

/** A number as text: JSON has no Infinity, NaN or -0. */
export const spelled = (x: number): string => (Object.is(x, -0) ? "-0" : String(x));

/** Merges nodes with the same op, attributes and inputs. */
export const mergeDuplicates = (outputs: readonly Tensor[]): Tensor[] => {
  const ids = new Map<object, number>();
  const idOf = (x: object): number => {
    const known = ids.get(x) ?? ids.size;
    ids.set(x, known);
    return known;
  };
  const attrKey = (value: unknown): unknown =>
    ArrayBuffer.isView(value)
      ? (value as Float32Array).length === 1
        ? spelled((value as Float32Array)[0])
        : { object: idOf(value) }
      : value;
  const known = new Map<string, Tensor>();
  return rewrite(outputs, (t, inputs) => {
    if (t.op.name === "input" || t.op.name === "stored") return undefined;
    const attrs = Object.entries(t.attrs).map(([name, value]) => [name, attrKey(value)]);
    const key = JSON.stringify([idOf(t.op), t.dtype, t.shape, attrs, inputs.map(idOf)]);
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    const kept = inputs.every((x, i) => x === t.inputs[i]) ? t : remake(t, inputs);
    known.set(key, kept);
    return kept;
  });
};

/** The number of a one-element constant seen through views, if it is one. */
export const literalOf = (t: Tensor): number | undefined => {
  let at = t;
  while (at.op.name === "broadcastTo" || at.op.name === "reshape") at = at.inputs[0];
  return at.op.name === "constant" && sizeOf(at.shape) === 1 ? constantData(at).data[0] : undefined;
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
  Record<string, (t: Tensor, inputs: readonly Tensor[], uses: (x: Tensor) => number) => Tensor | undefined>
> = {
  add: (_, [x, y]) => (literalOf(y) === 0 ? x : literalOf(x) === 0 ? y : joinPads(x, y)),
  sub: (_, [x, y]) => (literalOf(y) === 0 ? x : undefined),
  mul: (_, [x, y]) => (literalOf(y) === 1 ? x : literalOf(x) === 1 ? y : undefined),
  div: (_, [x, y]) => (literalOf(y) === 1 ? x : undefined),
  reshape: (t, [x], uses) => {
    if (sameShape(x.shape, t.shape)) return x;
    if (x.op.name === "reshape") return reshape(x.inputs[0], t.shape);
    // A pointwise run fuses only within one shape: move the reshape up to its inputs where that costs no copy.
    if (x.op.kind !== "pointwise" || x.inputs.length === 0 || uses(t.inputs[0]) > 1) return undefined;
    const access = accessor();
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
    return matmul(permute(b, axes), permute(a, axes));
  },
};

const applyRules = (outputs: readonly Tensor[], round: (x: number) => number): Tensor[] => {
  const counts = new Map<Tensor, number>();
  const count = (t: Tensor) => counts.set(t, (counts.get(t) ?? 0) + 1);
  outputs.forEach(count);
  for (const t of reachable(outputs)) t.inputs.forEach(count);
  const uses = (t: Tensor) => counts.get(t) ?? 0;
  return rewrite(outputs, (t, inputs) => rules[t.op.name]?.(t, inputs, uses) ?? folded(t, inputs, round));
};

/** Rewrites until nothing changes, in practice three or four passes: reshapes travel up one pointwise run a pass. */
const MAX_PASSES = 50;

/**
 * The graph a device plans: markers gone, duplicates merged, fused ops without a kernel expanded, views simplified.
 * Duplicates are merged before expansion only: what a fused op recomputes in its gradient stays recomputed. `round` brings
 * a number to the precision that the program computes in.
 */
export const simplify = (
  outputs: readonly Tensor[],
  hasKernel: (op: Op) => boolean,
  round: (x: number) => number,
): Tensor[] => {
  const merged = dropMarkers(mergeDuplicates(dropMarkers(outputs, "after")));
  let graph = dropMarkers(expand(merged, hasKernel));
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const next = applyRules(graph, round);
    if (next.every((t, i) => t === graph[i])) break;
    graph = next;
  }
  return graph;
};
