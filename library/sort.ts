/** Order along an axis. Equal elements stay in their order, NaN counts as larger than every number, -0 and 0 are equal. */
import { checked } from "../core/expects.js";
import {
  add,
  and,
  cast,
  concat,
  equal,
  full,
  iota,
  less,
  mul,
  neg,
  not,
  or,
  permute,
  reshape,
  ShapeError,
  scatterAdd,
  sizeOf,
  sliceAxis,
  sub,
  sum,
  type Tensor,
  typeOf,
  where,
} from "../core/index.js";
import { widened } from "../core/ops/cast.js";
import { normalAxis } from "../core/shape.js";
import { isNaN as isNan } from "./element.js";
import { take, takeAlongAxis } from "./take.js";

/** What rows are sorted by, first key, then index: no two are equal. Both [R, N]. */
interface Pairs {
  readonly key: Tensor;
  readonly index: Tensor;
}
const both = (p: Pairs, f: (x: Tensor) => Tensor): Pairs => ({ key: f(p.key), index: f(p.index) });
const isBefore = (a: Pairs, b: Pairs): Tensor =>
  or(less(a.key, b.key), and(equal(a.key, b.key), less(a.index, b.index)));

/** Rows of at most a few hundred: each element's place is how many are before it.  [R, B] */
const sortByCounting = (p: Pairs): Pairs => {
  const [R, B] = p.key.shape;
  const [here, there] = [both(p, (x) => reshape(x, [R, B, 1])), both(p, (x) => reshape(x, [R, 1, B]))];
  const place = sum(cast(isBefore(there, here), "i32"), 2);
  const start = mul(iota([R, B], 0), B);
  const from = scatterAdd(reshape(add(place, start), [R * B]), iota([R * B], 0, "f32"), R * B);
  const source = cast(from, "i32");
  return both(p, (x) => reshape(take(reshape(x, [R * B]), source), [R, B]));
};

/** Puts each element of [..., 2, D] and its neighbour on the axis before last in order. */
const exchange = (p: Pairs): Pairs => {
  const [a, b] = [0, 1].map((i) => both(p, (x) => sliceAxis(x, -2, i, i + 1)));
  const swaps = isBefore(b, a);
  const merged = (x: Tensor, y: Tensor) => concat([where(swaps, y, x), where(swaps, x, y)], -2);
  return { key: merged(a.key, b.key), index: merged(a.index, b.index) };
};

/** Merges the sorted halves of rows [R, 2S], S a power of two times the first run: Batcher's odd-even merge, 1968. */
const mergeHalves = (p: Pairs): Pairs => {
  const [R, length] = p.key.shape;
  const pairs = (x: Tensor, d: number) => reshape(x, [R, x.shape[1] / (2 * d), 2, d]);
  const flat = (x: Tensor) => reshape(x, [R, sizeOf(x.shape.slice(1))]);
  let y = both(exchange(both(p, (x) => pairs(x, length / 2))), flat);
  for (let d = length / 4; d >= 1; d /= 2) {
    const middle = both(exchange(both(y, (x) => pairs(sliceAxis(x, 1, d, length - d), d))), flat);
    const ends = (x: Tensor, inner: Tensor) =>
      concat([sliceAxis(x, 1, 0, d), inner, sliceAxis(x, 1, length - d, length)], 1);
    y = { key: ends(y.key, middle.key), index: ends(y.index, middle.index) };
  }
  return y;
};

/**
 * The order of rows [R, N] as indices i32 [R, N]. Blocks of `block` elements (a power of two) are sorted by counting, then merged
 * by twos in log² steps.
 */
export const orderOfRows = (x: Tensor, descending: boolean, block = 256): Tensor => {
  const [R, N] = x.shape;
  const isFloat = x.dtype === "f32";
  const most = isFloat ? Number.POSITIVE_INFINITY : x.dtype === "i32" ? 2 ** 31 - 1 : 2 ** 32 - 1;
  const turned = !descending ? x : isFloat ? neg(x) : sub(x.dtype === "i32" ? -1 : most, x);
  // NaN shares a key with the last (or first) infinity, and comes after (before) it by its index.
  const key = isFloat ? where(isNan(x), descending ? -most : most, turned) : turned;
  const own = iota([R, N], 1);
  const index = isFloat ? where(isNan(x), descending ? sub(own, N) : add(own, N), own) : own;
  let length = Math.min(N, block);
  while (length < N) length *= 2;
  const fill: Pairs = { key: full([R, length - N], most, x.dtype), index: add(iota([R, length - N], 1), 2 * N) };
  const padded: Pairs = { key: concat([key, fill.key], 1), index: concat([index, fill.index], 1) };
  const first = Math.min(length, block);
  let y = sortByCounting(both(padded, (t) => reshape(t, [(R * length) / first, first])));
  for (let run = 2 * first; run <= length; run *= 2)
    y = mergeHalves(both(y, (t) => reshape(t, [(R * length) / run, run])));
  const order = sliceAxis(reshape(y.index, [R, length]), 1, 0, N);
  return where(less(order, 0), add(order, N), where(less(order, N), order, sub(order, N)));
};

/** How elements are sorted. */
export interface SortOptions {
  /** Largest first (NaN before all). Default: false. */
  readonly descending?: boolean;
}

/**
 * The indices that sort x along an axis (the last by default): i32 of x's shape. Stable; NaN last.
 * x: f32, i32 or u32. [...S] → [...S]. Errors: ShapeError for bools, and an axis that x lacks.
 * @example argsort(tensor([3, 1, 2])) // i32 [1, 2, 0]
 */
export const argsort = checked(
  "argsort",
  "tensor integer? {descending:flag}?",
  (given: Tensor, axis = -1, options: SortOptions = {}): Tensor => {
    const x = widened(given);
    const at = normalAxis(axis, x.shape.length, `argsort(${typeOf(x)}, ${axis})`);
    if (x.dtype === "bool") throw new ShapeError("bool has no order", 'cast it first: cast(x, "i32")');
    const y = moveLast(x, at);
    const [n, size] = [x.shape[at], sizeOf(x.shape)];
    if (size === 0) return iota(x.shape, at);
    return moveBack(reshape(orderOfRows(reshape(y, [size / n, n]), options.descending === true), y.shape), at);
  },
);

const moveLast = (x: Tensor, at: number): Tensor => permute(x, [...[...x.shape.keys()].filter((i) => i !== at), at]);
const moveBack = (x: Tensor, at: number): Tensor =>
  permute(
    x,
    x.shape.map((_, i) => (i < at ? i : i === at ? x.shape.length - 1 : i - 1)),
  );

/**
 * x in order along an axis (the last by default): smallest first, NaN last. A gradient goes where its element came from.
 * @example sort(tensor([3, 1, 2])) // [1, 2, 3]
 */
export const sort = checked(
  "sort",
  "tensor integer? {descending:flag}?",
  (x: Tensor, axis = -1, options: SortOptions = {}): Tensor => takeAlongAxis(x, argsort(x, axis, options), axis),
);

/**
 * The k largest along an axis (the last by default), largest first, and their indices i32: axis n → k. Of equal ones the first
 * come first; NaN counts as the largest. Errors: ShapeError unless 0 ≤ k ≤ n.
 * @example topk(tensor([1, 4, 2]), 2) // [4, 2] and [1, 2]
 */
export const topk = checked(
  "topk",
  "tensor integer integer?",
  (x: Tensor, k: number, axis = -1): [values: Tensor, indices: Tensor] => {
    const n = x.shape[normalAxis(axis, x.shape.length, `topk(${typeOf(x)}, ${k}, ${axis})`)];
    if (k < 0 || k > n) throw new ShapeError(`${k} of ${n} elements`);
    const indices = sliceAxis(argsort(x, axis, { descending: true }), axis, 0, k);
    return [takeAlongAxis(x, indices, axis), indices];
  },
);

/**
 * The number below which a share q of the elements lie, 0 ≤ q ≤ 1, between neighbours by a straight line; over one axis, or of x
 * flattened. NaN if there is one among them. f32 [..., N, ...] → the shape without the axis; without one, []. Errors:
 * ShapeError for another q, or no elements.
 */
export const quantile = checked(
  "quantile",
  "tensor number integer? flag?",
  (x: Tensor, q: number, axis?: number, keepAxis = false): Tensor => {
    const [y, at] =
      axis === undefined ? [reshape(x, [sizeOf(x.shape)]), 0] : [x, normalAxis(axis, x.shape.length, "quantile")];
    const n = y.shape[at];
    if (!(q >= 0 && q <= 1) || n === 0)
      throw new ShapeError(`q ${q} of ${n} elements: needs 0 ≤ q ≤ 1, and one element`);
    const sorted = sort(y, at);
    const place = q * (n - 1);
    const one = (i: number) => sliceAxis(sorted, at, i, i + 1);
    const [low, high] = [one(Math.floor(place)), one(Math.ceil(place))];
    const share = place - Math.floor(place);
    const value = share === 0 ? low : add(mul(1 - share, low), mul(share, high));
    const last = one(n - 1);
    const found = where(isNan(last), last, value);
    const kept = axis === undefined ? x.shape.map(() => 1) : found.shape;
    return reshape(found, keepAxis ? kept : found.shape.filter((_, i) => i !== at));
  },
);

/**
 * The middle element, or the mean of the two in the middle: `quantile` of a half. f32 [..., N, ...] → the shape without the
 * axis; without an axis, [].
 */
export const median = checked(
  "median",
  "tensor integer? flag?",
  (x: Tensor, axis?: number, keepAxis = false): Tensor => quantile(x, 0.5, axis, keepAxis),
);

/**
 * How many elements of a sorted vector [N] are below each of x [...S] (`right`: at most as large): i32 [...S]. NaN is last.
 * Errors: ShapeError unless it is a vector, and `side` one of the two.
 */
export const searchSorted = checked(
  "searchSorted",
  "tensor tensor text?",
  (sorted: Tensor, x: Tensor, side: "left" | "right" = "left"): Tensor => {
    if (sorted.shape.length !== 1) throw new ShapeError(`${typeOf(sorted)} is no vector`);
    if (side !== "left" && side !== "right") throw new ShapeError(`side "${side}" is not known: "left" or "right"`);
    const column = reshape(x, [...x.shape, 1]);
    const beforeNan = and(isNan(column), not(isNan(sorted)));
    const isAlike = or(equal(sorted, column), and(isNan(sorted), isNan(column)));
    const below = or(less(sorted, column), beforeNan);
    return sum(cast(side === "left" ? below : or(below, isAlike), "i32"), -1);
  },
);

/** How often each of 0 … length - 1 is among the integers of x: i32 [length]; others are not counted. */
export const bincount = checked(
  "bincount",
  "tensor integer",
  (x: Tensor, length: number): Tensor =>
    sum(cast(equal(reshape(x, [sizeOf(x.shape), 1]), iota([length], 0, x.dtype === "u32" ? "u32" : "i32")), "i32"), 0),
);
