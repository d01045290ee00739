/** Division of integers, which devices lack, by way of f32: quotients are guessed too low and put right. */
import {
  add,
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

/** ⌊x/y⌋ and x mod y of u32, y > 0: exact. Each guess leaves at most 2⁻¹⁹ of what there was, beside one y. */
const unsigned = (x: Tensor, y: Tensor): [quotient: Tensor, left: Tensor] => {
  let [whole, left]: [Tensor, Tensor] = [scalar(0, "u32"), x];
  for (let guess = 0; guess < 2; guess++) {
    const share = mul(1 - 2 ** -20, div(cast(left, "f32"), cast(y, "f32")));
    const quotient = cast(floor(share), "u32");
    whole = add(whole, quotient);
    left = sub(left, mul(quotient, y));
  }
  const fits = lessEqual(y, left);
  return [add(whole, cast(fits, "u32")), where(fits, sub(left, y), left)];
};

/** Is x, or y where x is a number, of integers? */
export const areIntegers = (x: TensorLike, y: TensorLike): boolean => {
  const first = isTensor(x) ? x : y;
  return isTensor(first) && (first.dtype === "i32" || first.dtype === "u32");
};

/** ⌊x/y⌋ and what is left of x, with the sign of y; integers of one dtype. Of y = 0: 0 and x. */
export const divided = (x: TensorLike, y: TensorLike): [quotient: Tensor, left: Tensor] => {
  const dtype = (isTensor(x) ? x : (y as Tensor)).dtype as "i32" | "u32";
  const [a, b] = [x, y].map((n) => (isTensor(n) ? n : scalar(n, dtype)));
  const isZero = equal(b, 0);
  const divisor = where(isZero, 1, b);
  const found = (whole: Tensor, left: Tensor): [Tensor, Tensor] => [where(isZero, 0, whole), where(isZero, a, left)];
  if (dtype === "u32") return found(...unsigned(a, divisor));
  const size = (n: Tensor): Tensor => cast(where(less(n, 0), neg(n), n), "u32");
  const [whole, left] = unsigned(size(a), size(divisor)).map((n) => cast(n, "i32"));
  const signed = where(less(divisor, 0), neg(left), left);
  const [isAlike, isExact] = [equal(less(a, 0), less(divisor, 0)), equal(left, 0)];
  const down = where(isExact, neg(whole), sub(-1, whole));
  return found(where(isAlike, whole, down), where(or(isAlike, isExact), signed, sub(divisor, signed)));
};
