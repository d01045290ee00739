import { asks, expects } from "../core/expects.js";
import {
  abs,
  add,
  div,
  greaterEqual,
  maximum,
  minimum,
  mul,
  sizeOf,
  sum,
  type Tensor,
  topkMask,
  where,
  zerosLike,
} from "../core/index.js";
import type { Draw, Stream } from "./rule.js";

/** F: keeps part of a tensor, zero elsewhere.  x [*S] → [*S]. */
export type Sparsifier = (x: Tensor, stream: Stream, draw: Draw) => Tensor;

/**
 * Keeps each element with probability p, whatever its value; `rescale` multiplies what is kept by 1/p, so that E F(x) = x.
 * Laws: p = 1 keeps all; p = 0 gives 0, never NaN; linear in x for a given mask.  Source: Yu et al. 2023 (DARE).
 */
export const keepRandom = asks(
  "keepRandom",
  "number",
  (p: number, rescale = false): Sparsifier =>
    (x, stream, draw) => {
      expects("keepRandom", "tensor any function", x, stream, draw);
      if (p === 0) return zerosLike(x);
      const kept = where(draw(stream, p), x, 0);
      return rescale && p < 1 ? mul(kept, 1 / p) : kept;
    },
);

/**
 * How many of n elements a fraction p is: floor(p·n) of the floating-point product, as the released code counts
 * (floor(0.29·100) is 28).
 */
export const topCount = asks("topCount", "number number", (p: number, n: number): number => Math.floor(p * n));

/**
 * Keeps the floor(p·n) elements of largest magnitude, ties to the lower flat index, without rescaling.
 * Laws: idempotent; invariant to signs and to scaling by powers of two; nested in p.  Source: Yadav et al. 2023 (TIES).
 */
export const keepLargest = asks(
  "keepLargest",
  "number",
  (p: number): Sparsifier =>
    (x) => {
      expects("keepLargest", "tensor", x);
      const n = sizeOf(x.shape);
      const k = topCount(p, n);
      return k === n ? x : k === 0 ? zerosLike(x) : where(topkMask(x, k), x, 0);
    },
);

/** F, except that a tensor for which floor(p·n) < 1, or any if p ≥ 1, stays dense: the released OnTIES. */
export const denseIfFew = asks(
  "denseIfFew",
  "number function",
  (p: number, sparsify: Sparsifier): Sparsifier =>
    (x, stream, draw) =>
      p >= 1 || topCount(p, sizeOf(x.shape)) < 1 ? x : sparsify(x, stream, draw),
);

/** Below this L1 norm a tensor is not rescaled. */
const SMALLEST_NORM = 1e-8;

/**
 * F(x) · ‖x‖₁ / (‖F(x)‖₁ + ε): F with the L1 norm that x had; F alone where ‖x‖₁ < 1e-8.
 * Source: `rescale` of the released code (OnDARE: ε of Adam; OnTIES: no ε).
 */
export const matchL1 = asks(
  "matchL1",
  "function",
  (sparsify: Sparsifier, eps = 0): Sparsifier =>
    (x, stream, draw) => {
      const kept = sparsify(x, stream, draw);
      const before = sum(abs(x));
      const factor = div(before, add(sum(abs(kept)), eps));
      return mul(kept, where(greaterEqual(before, SMALLEST_NORM), factor, 1));
    },
);

/** F(x), every element brought into [−limit, limit]. */
export const clamped = asks(
  "clamped",
  "function number",
  (sparsify: Sparsifier, limit: number): Sparsifier =>
    (x, stream, draw) =>
      maximum(-limit, minimum(limit, sparsify(x, stream, draw))),
);
