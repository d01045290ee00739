/** How far predictions lie from what was wanted, element by element: take `mean` or `sum` of it. f32. */
import { checked } from "../core/expects.js";
import {
  abs,
  div,
  less,
  maximum,
  mul,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type TensorLike,
  where,
} from "../core/index.js";
import { normalAxis } from "../core/shape.js";

/**
 * (x - y)²: shapes broadcast. f32 [...S], [...S] → [...S].
 * @example mean(squaredError(tensor([1, 2]), tensor([1, 4]))) // 2
 */
export const squaredError = checked(
  "squaredError",
  "operand operand",
  (x: TensorLike, y: TensorLike): Tensor => square(sub(x, y)),
);

/**
 * ½d² up to |d| = delta, and a straight line from there on, d = x - y: shapes broadcast.  Huber 1964. f32 [...S], [...S] →
 * [...S].
 */
export const huber = checked("huber", "operand operand number?", (x: TensorLike, y: TensorLike, delta = 1): Tensor => {
  const d = sub(x, y);
  return where(less(abs(d), delta), mul(0.5, square(d)), mul(delta, sub(abs(d), 0.5 * delta)));
});

/**
 * -y·log σ(x) - (1 - y)·log(1 - σ(x)), without overflow.  x: logits, y: labels 0 … 1; shapes broadcast. f32 [...S], [...S] →
 * [...S].
 * @example mean(binaryCrossEntropy(tensor([0, 9]), tensor([1, 1]))) // 0.346635
 */
export const binaryCrossEntropy = checked(
  "binaryCrossEntropy",
  "operand operand",
  (x: Tensor, y: TensorLike): Tensor => sub(softplus(x), mul(x, y)),
);

/**
 * Cosine of the angle between x and y along an axis (the last by default); lengths below eps count as eps. f32 [..., N, ...],
 * twice → the shape without the axis. Errors: ShapeError for an axis that they lack.
 */
export const cosineSimilarity = checked(
  "cosineSimilarity",
  "tensor tensor integer? number?",
  (x: Tensor, y: Tensor, axis = -1, eps = 1e-8): Tensor => {
    const at = normalAxis(axis, x.shape.length, "cosineSimilarity");
    // Below the root, so that the gradient at 0 is finite.
    const length = (v: Tensor) => sqrt(maximum(sum(square(v), at), eps * eps));
    return div(sum(mul(x, y), at), mul(length(x), length(y)));
  },
);
