/** The same elements under other shapes, in other places, or several times. All but `repeat` and `flip` are views. */
import { checked } from "../core/expects.js";
import {
  broadcastTo,
  concat,
  iota,
  pad,
  permute,
  reshape,
  type Shape,
  ShapeError,
  sizeOf,
  sliceAxis,
  sub,
  type Tensor,
  typeOf,
} from "../core/index.js";
import { normalAxes, normalAxis } from "../core/shape.js";
import { take } from "./take.js";

/**
 * Without axes of size 1: those named, or all of them.  squeeze(f32[1,3,1]) is f32[3]. Errors: ShapeError if a named one is
 * longer.
 */
export const squeeze = checked("squeeze", "tensor axes?", (x: Tensor, axes?: number | readonly number[]): Tensor => {
  const ones = axes === undefined ? x.shape.flatMap((n, i) => (n === 1 ? [i] : [])) : axes;
  const dropped = normalAxes(ones, x.shape.length, `squeeze(${typeOf(x)})`);
  const long = dropped.find((axis) => x.shape[axis] !== 1);
  if (long !== undefined) throw new ShapeError(`axis ${long} has ${x.shape[long]} elements, not 1`);
  return reshape(
    x,
    x.shape.filter((_, i) => !dropped.includes(i)),
  );
});

/**
 * With axes of size 1 where the result has the axes named.  expandDims(f32[3], 0) is f32[1,3]. Errors: ShapeError for an axis
 * named twice, or that the result lacks.
 * @example expandDims(tensor([1, 2]), 0) // [[1, 2]]
 */
export const expandDims = checked(
  "expandDims",
  "tensor axes",
  (x: Tensor, axes: number | readonly number[]): Tensor => {
    const rank = x.shape.length + (typeof axes === "number" ? 1 : axes.length);
    const added = normalAxes(axes, rank, `expandDims(${typeOf(x)}, ${axes})`);
    if (added.length + x.shape.length !== rank) throw new ShapeError(`axes [${axes}] name one twice`);
    const own = [...x.shape];
    return reshape(
      x,
      Array.from({ length: rank }, (_, i) => (added.includes(i) ? 1 : (own.shift() as number))),
    );
  },
);

/**
 * Axes start … stop (both included) as one; all of them unless told. A scalar becomes [1]. [2, 3, 4] from 1 on is [2, 12].
 * Errors: ShapeError for axes that x lacks.
 */
export const flatten = checked("flatten", "tensor integer? integer?", (x: Tensor, start = 0, stop = -1): Tensor => {
  const rank = x.shape.length;
  if (rank === 0) return reshape(x, [1]);
  const [from, to] = [start, stop].map((axis) => normalAxis(axis, rank, `flatten(${typeOf(x)})`));
  return reshape(x, [...x.shape.slice(0, from), sizeOf(x.shape.slice(from, to + 1)), ...x.shape.slice(to + 1)]);
});

/**
 * Axes from `source` at the places `target` of the result; the others keep their order. [A, B, C] with 0 at 2 is [B, C, A].
 * Errors: ShapeError unless as many are named, and none twice.
 */
export const moveAxis = checked(
  "moveAxis",
  "tensor axes axes",
  (x: Tensor, source: number | readonly number[], target: number | readonly number[]): Tensor => {
    const rank = x.shape.length;
    const [from, to] = [source, target].map((axes) =>
      (typeof axes === "number" ? [axes] : axes).map((axis) => normalAxis(axis, rank, `moveAxis(${typeOf(x)})`)),
    );
    if (from.length !== to.length || new Set(from).size < from.length || new Set(to).size < to.length)
      throw new ShapeError(`axes [${source}] and [${target}] must be as many, and none twice`);
    const rest = x.shape.flatMap((_, i) => (from.includes(i) ? [] : [i]));
    return permute(
      x,
      x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)] : (rest.shift() as number))),
    );
  },
);

/** x with two axes in each other's place. [A, B, C] with 0 and 2 is [C, B, A]. Errors: ShapeError for axes that x lacks. */
export const swapAxes = checked(
  "swapAxes",
  "tensor integer integer",
  (x: Tensor, axis1: number, axis2: number): Tensor => {
    const [a, b] = [axis1, axis2].map((axis) => normalAxis(axis, x.shape.length, `swapAxes(${typeOf(x)})`));
    return permute(
      x,
      x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
    );
  },
);

/**
 * Zeros before and after x on one axis. [..., N, ...] → [..., before + N + after, ...]. Errors: ShapeError for an axis that x
 * lacks.
 */
export const padAxis = checked(
  "padAxis",
  "tensor integer integer integer",
  (x: Tensor, axis: number, before: number, after: number): Tensor => {
    const at = normalAxis(axis, x.shape.length, `padAxis(${typeOf(x)}, ${axis})`);
    return pad(
      x,
      x.shape.map((_, i) => (i === at ? ([before, after] as const) : ([0, 0] as const))),
    );
  },
);

/**
 * Parts of x along an axis, `count` of them, of ⌈n/count⌉ elements; the last may be shorter. Torch's `chunk`. [..., N, ...] →
 * each [..., ⌈N/count⌉, ...]. Errors: ShapeError unless count is an integer ≥ 1.
 */
export const chunk = checked("chunk", "tensor integer integer?", (x: Tensor, count: number, axis = 0): Tensor[] => {
  const n = x.shape[normalAxis(axis, x.shape.length, `chunk(${typeOf(x)}, ${count}, ${axis})`)];
  if (count < 1) throw new ShapeError(`${count} is no number of parts`);
  const size = Math.max(1, Math.ceil(n / count));
  return Array.from({ length: Math.ceil(n / size) }, (_, i) =>
    sliceAxis(x, axis, i * size, Math.min(n, (i + 1) * size)),
  );
});

/**
 * Parts of x along an axis: so many, of which the first have one element more where n does not divide; or between the places where
 * it is cut, that count from the end where negative, as slices do. NumPy's `array_split`, and its `split` where n divides (`split` here is of random
 * keys). [..., N, ...] → each [..., n, ...]. Errors: ShapeError unless sections are an integer ≥ 1, or indices are integers.
 * @example arraySplit(tensor([1, 2, 3]), [1])[1] // [2, 3]
 */
export const arraySplit = checked(
  "arraySplit",
  "tensor axes integer?",
  (x: Tensor, sections: number | readonly number[], axis = 0): Tensor[] => {
    const n = x.shape[normalAxis(axis, x.shape.length, `arraySplit(${typeOf(x)}, ${sections}, ${axis})`)];
    const isCount = typeof sections === "number";
    const wrong = isCount ? !Number.isInteger(sections) || sections < 1 : !sections.every(Number.isInteger);
    if (wrong)
      throw new ShapeError(`${isCount ? sections : `[${sections}]`} is neither an integer ≥ 1 nor places to cut at`);
    const cuts = isCount
      ? Array.from(
          { length: sections - 1 },
          (_, i) => (i + 1) * Math.floor(n / sections) + Math.min(i + 1, n % sections),
        )
      : sections.map((at) => Math.min(n, at < 0 ? Math.max(0, at + n) : at));
    const starts = [0, ...cuts];
    return starts.map((from, i) => sliceAxis(x, axis, from, Math.max(from, i < cuts.length ? cuts[i] : n)));
  },
);

/**
 * x taken apart along an axis: n tensors without it. The inverse of `stack`. [N, ...S] → N times [...S]. Errors: ShapeError for
 * an axis that x lacks.
 */
export const unstack = checked("unstack", "tensor integer?", (x: Tensor, axis = 0): Tensor[] => {
  const at = normalAxis(axis, x.shape.length, `unstack(${typeOf(x)}, ${axis})`);
  return Array.from({ length: x.shape[at] }, (_, i) => squeeze(sliceAxis(x, at, i, i + 1), at));
});

/**
 * x several times along each axis: counts align with its axes from the right, and may add axes in front. [A, B] by [m, n] →
 * [mA, nB].
 */
export const tile = checked("tile", "tensor axes", (x: Tensor, counts: number | readonly number[]): Tensor => {
  const given = typeof counts === "number" ? [counts] : counts;
  const rank = Math.max(given.length, x.shape.length);
  const full = (list: readonly number[]): Shape => [...new Array<number>(rank - list.length).fill(1), ...list];
  const [times, shape] = [full(given), full(x.shape)];
  const spread = broadcastTo(
    reshape(
      x,
      shape.flatMap((n) => [1, n]),
    ),
    shape.flatMap((n, i) => [times[i], n]),
  );
  return reshape(
    spread,
    shape.map((n, i) => times[i] * n),
  );
});

/**
 * Each element `count` times in a row along an axis; without an axis, of x flattened. [..., N, ...] → [..., count·N, ...].
 * Errors: ShapeError for an axis that x lacks.
 * @example repeat(tensor([1, 2]), 2) // [1, 1, 2, 2]
 */
export const repeat = checked(
  "repeat",
  "tensor integer integer?",
  (x: Tensor, count: number, axis?: number): Tensor => {
    if (axis === undefined) return repeat(flatten(x), count, 0);
    const at = normalAxis(axis, x.shape.length, `repeat(${typeOf(x)}, ${count}, ${axis})`);
    const [before, after] = [x.shape.slice(0, at), x.shape.slice(at + 1)];
    const n = x.shape[at];
    const spread = broadcastTo(reshape(x, [...before, n, 1, ...after]), [...before, n, count, ...after]);
    return reshape(spread, [...before, n * count, ...after]);
  },
);

/**
 * x in reverse order along axes (all of them by default). [...S] → [...S]. Errors: ShapeError for axes that x lacks.
 * @example flip(tensor([1, 2, 3])) // [3, 2, 1]
 */
export const flip = checked(
  "flip",
  "tensor axes?",
  (x: Tensor, axes?: number | readonly number[]): Tensor =>
    normalAxes(axes, x.shape.length, `flip(${typeOf(x)})`).reduce((y, axis) => {
      const n = y.shape[axis];
      return take(y, sub(n - 1, iota([n])), axis);
    }, x),
);

/**
 * x moved `shift` places along axes, what leaves an end coming in at the other; without an axis, of x flattened. [...S] →
 * [...S]. Errors: ShapeError unless shifts are integers, one for each axis.
 */
export const roll = checked(
  "roll",
  "tensor axes axes?",
  (x: Tensor, shift: number | readonly number[], axes?: number | readonly number[]): Tensor => {
    if (axes === undefined) return reshape(roll(flatten(x), shift, 0), x.shape);
    const list = typeof axes === "number" ? [axes] : axes;
    return list.reduce((y, axis, i) => {
      const by = typeof shift === "number" ? shift : shift[i];
      const n = y.shape[normalAxis(axis, y.shape.length, `roll(${typeOf(x)}, ${shift}, ${axes})`)];
      if (!Number.isInteger(by)) throw new ShapeError(`shift ${by} is no integer`);
      const cut = n === 0 ? 0 : n - (((by % n) + n) % n);
      return concat([sliceAxis(y, axis, cut, n), sliceAxis(y, axis, 0, cut)], axis);
    }, x);
  },
);
