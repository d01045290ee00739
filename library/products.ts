/** Sums of products. f32; sums are f32, as of `matmul`. */
import { checked } from "../core/expects.js";
import { matmul, mul, permute, reshape, ShapeError, sizeOf, sub, sum, type Tensor, typeOf } from "../core/index.js";
import { normalAxis } from "../core/shape.js";
import { diagonal } from "./create.js";
import { roll } from "./shape.js";

/**
 * Over the last axis of x and the last but one of y (the only one of a vector), as NumPy's dot: vectors [K], [K] → []; matrices
 * [M, K], [K, N] → [M, N]; [...A, K], [...B, K, N] → [...A, ...B, N]. A scalar multiplies.
 * @example dot(tensor([1, 2]), tensor([3, 4])) // 11
 */
export const dot = checked("dot", "tensor tensor", (x: Tensor, y: Tensor): Tensor => {
  if (x.shape.length === 0 || y.shape.length === 0) return mul(x, y);
  return tensordot(x, y, [[-1], [y.shape.length === 1 ? 0 : -2]]);
});

/** Σ xᵢyᵢ over the last axis of both: [...A, K], [...B, K] → [...A, ...B]. */
export const inner = checked(
  "inner",
  "tensor tensor",
  (x: Tensor, y: Tensor): Tensor =>
    x.shape.length === 0 || y.shape.length === 0 ? mul(x, y) : tensordot(x, y, [[-1], [-1]]),
);

/** All products of an element of x and one of y, both flattened: [M], [N] → [M, N]. */
export const outer = checked(
  "outer",
  "tensor tensor",
  (x: Tensor, y: Tensor): Tensor => mul(reshape(x, [sizeOf(x.shape), 1]), reshape(y, [1, sizeOf(y.shape)])),
);

/**
 * Σ over pairs of axes: the last `axes` of x with the first of y, or those listed for each.  [...A, ...K], [...K, ...B] →
 * [...A, ...B]. Errors: ShapeError for axes whose sizes differ.
 */
export const tensordot = checked(
  "tensordot",
  "tensor tensor",
  (x: Tensor, y: Tensor, axes: number | readonly [readonly number[], readonly number[]] = 2): Tensor => {
    if (typeof axes !== "number" && !([axes[0], axes[1]] as readonly unknown[]).every(Array.isArray))
      throw new ShapeError("axes are a number, or two lists: [axes of x, axes of y]");
    const count = (n: number, from: number) => Array.from({ length: n }, (_, i) => from + i);
    const pairs = typeof axes === "number" ? [count(axes, x.shape.length - axes), count(axes, 0)] : axes;
    const [ofX, ofY] = [x, y].map((t, i) =>
      pairs[i].map((axis) => normalAxis(axis, t.shape.length, `tensordot(${typeOf(x)}, ${typeOf(y)})`)),
    );
    if (ofX.length !== ofY.length || ofX.some((axis, i) => x.shape[axis] !== y.shape[ofY[i]]))
      throw new ShapeError(`axes [${ofX}] of ${typeOf(x)} do not fit [${ofY}] of ${typeOf(y)}`);
    const free = (t: Tensor, used: readonly number[]) => [...t.shape.keys()].filter((axis) => !used.includes(axis));
    const [a, b] = [free(x, ofX), free(y, ofY)];
    const K = sizeOf(ofX.map((axis) => x.shape[axis]));
    const left = reshape(permute(x, [...a, ...ofX]), [sizeOf(a.map((axis) => x.shape[axis])), K]);
    const right = reshape(permute(y, [...ofY, ...b]), [K, sizeOf(b.map((axis) => y.shape[axis]))]);
    return reshape(matmul(left, right), [...a.map((axis) => x.shape[axis]), ...b.map((axis) => y.shape[axis])]);
  },
);

/** Σ of the diagonal of matrices [..., M, N] → [...]. */
export const trace = checked("trace", "tensor integer?", (x: Tensor, k = 0): Tensor => sum(diagonal(x, k), -1));

/** Kronecker product, axis by axis: [A, B], [C, D] → [A·C, B·D]. The one of fewer axes gets axes of size 1 in front. */
export const kron = checked("kron", "tensor tensor", (x: Tensor, y: Tensor): Tensor => {
  const rank = Math.max(x.shape.length, y.shape.length);
  const [xs, ys] = [x, y].map(({ shape }) => [...new Array<number>(rank - shape.length).fill(1), ...shape]);
  const apart = mul(
    reshape(
      x,
      xs.flatMap((n) => [n, 1]),
    ),
    reshape(
      y,
      ys.flatMap((n) => [1, n]),
    ),
  );
  return reshape(
    apart,
    xs.map((n, i) => n * ys[i]),
  );
});

/**
 * Vector product over the last axis, of 3 elements: x × y. f32 [..., 3], [..., 3] → [..., 3]. Errors: ShapeError for other
 * sizes.
 */
export const cross = checked("cross", "tensor tensor", (x: Tensor, y: Tensor): Tensor => {
  if (x.shape.at(-1) !== 3 || y.shape.at(-1) !== 3) throw new ShapeError("needs 3 elements on the last axis");
  const turned = (t: Tensor, by: number) => roll(t, -by, -1);
  return sub(mul(turned(x, 1), turned(y, 2)), mul(turned(x, 2), turned(y, 1)));
});
