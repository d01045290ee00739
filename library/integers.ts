/** Division of integers, which devices lack, by way of f32: quotients are guessed too low and put right. */
import {
  cast,
  div,
  equal,
  floor,
  isTensor,
  less,
  lessEqual,
  mul,
  neg,
  or,
  scalar,
  sub,
  type Tensor,
  type TensorLike,
  where,
} from "../core/index.js";

/** x mod y of u32, y > 0: exact. Each guess leaves at most 2⁻¹⁹ of what there was, beside one y. */
const unsigned = (x: Tensor, y: Tensor): Tensor => {
  let left = x;
  for (let guess = 0; guess < 2; guess++) {
    const quotient = mul(1 - 2 ** -20, div(cast(left, "f32"), cast(y, "f32")));
    left = sub(left, mul(cast(floor(quotient), "u32"), y));
  }
  return where(lessEqual(y, left), sub(left, y), left);
};

/** What is left of x, with the sign of y; integers of one dtype. Of y = 0: x. */
export const remainder = (x: TensorLike, y: TensorLike): Tensor => {
  const dtype = (isTensor(x) ? x : (y as Tensor)).dtype as "i32" | "u32";
  const [a, b] = [x, y].map((n) => (isTensor(n) ? n : scalar(n, dtype)));
  const isZero = equal(b, 0);
  const divisor = where(isZero, 1, b);
  if (dtype === "u32") return where(isZero, a, unsigned(a, divisor));
  const size = (n: Tensor): Tensor => cast(where(less(n, 0), neg(n), n), "u32");
  const left = cast(unsigned(size(a), size(divisor)), "i32");
  const signed = where(less(divisor, 0), neg(left), left);
  const isAlike = equal(less(a, 0), less(divisor, 0));
  return where(isZero, a, where(or(isAlike, equal(left, 0)), signed, sub(divisor, signed)));
};
