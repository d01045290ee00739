/** Activations, element by element but for the last. f32 [...S] → [...S]; bf16 and f16 are read as f32. */
import { checked } from "../core/expects.js";
import {
  abs,
  add,
  div,
  erf,
  exp,
  expm1,
  less,
  lessEqual,
  log,
  max,
  mul,
  ShapeError,
  sigmoid,
  sliceAxis,
  softplus,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  typeOf,
  where,
} from "../core/index.js";
import { normalAxis } from "../core/shape.js";
import { clip } from "./element.js";

/**
 * x where it is above 0, else 0; the gradient at 0 is 0. NaN stays.
 * @example relu(tensor([-1, 2])) // [0, 2]
 */
export const relu = checked("relu", "tensor", (x: Tensor): Tensor => where(lessEqual(x, 0), 0, x));
/** x, but at least 0 and at most 6. f32 [...S] → [...S]. */
export const relu6 = checked("relu6", "tensor", (x: Tensor): Tensor => where(lessEqual(6, x), 6, relu(x)));
/** x, times `slope` where it is below 0. f32 [...S] → [...S]. */
export const leakyRelu = checked(
  "leakyRelu",
  "tensor number?",
  (x: Tensor, slope = 0.01): Tensor => where(less(x, 0), mul(slope, x), x),
);
/** x, and α(eˣ - 1) where it is below 0.  Clevert et al. 2016. f32 [...S] → [...S]. */
export const elu = checked(
  "elu",
  "tensor number?",
  (x: Tensor, alpha = 1): Tensor => where(lessEqual(x, 0), mul(alpha, expm1(where(lessEqual(x, 0), x, 0))), x),
);
/** elu, scaled so that mean and variance keep.  Klambauer et al. 2017. f32 [...S] → [...S]. */
export const selu = checked(
  "selu",
  "tensor",
  (x: Tensor): Tensor => mul(1.0507009873554805, elu(x, 1.6732632423543772)),
);
/**
 * x·Φ(x), Φ the normal distribution: by `erf`, or, with "tanh", by the approximation ½x(1 + tanh(√(2/π)(x + 0.044715x³))), which
 * is GPT-2's, and JAX's default.  Hendrycks & Gimpel 2016. f32 [...S] → [...S]. Errors: ShapeError for another approximation.
 * @example gelu(tensor([-1, 1])) // [-0.158655, 0.841345]
 */
export const gelu = checked("gelu", "tensor text?", (x: Tensor, approximate: "none" | "tanh" = "none"): Tensor => {
  if (approximate === "tanh") {
    const inner = mul(Math.sqrt(2 / Math.PI), add(x, mul(0.044715, mul(x, mul(x, x)))));
    return mul(mul(0.5, x), add(1, tanh(inner)));
  }
  if (approximate !== "none") throw new ShapeError(`approximation "${approximate}" is not known: "none" or "tanh"`);
  return mul(mul(0.5, x), add(1, erf(mul(Math.SQRT1_2, x))));
});
/** x·tanh(softplus x).  Misra 2019. f32 [...S] → [...S]. */
export const mish = checked("mish", "tensor", (x: Tensor): Tensor => mul(x, tanh(softplus(x))));
/** x/(1 + |x|). f32 [...S] → [...S]. */
export const softsign = checked("softsign", "tensor", (x: Tensor): Tensor => div(x, add(1, abs(x))));
/** x, but at least -1 and at most 1. f32 [...S] → [...S]. */
export const hardTanh = checked("hardTanh", "tensor", (x: Tensor): Tensor => clip(x, -1, 1));
/** log(p/(1 - p)): the inverse of `sigmoid`. f32 [...S] → [...S]. */
export const logit = checked("logit", "tensor", (p: Tensor): Tensor => sub(log(p), log(sub(1, p))));

/**
 * x - log Σ eˣ along an axis (the last by default), without overflow. f32 [...S] → [...S]. Errors: ShapeError for an axis that
 * x lacks.
 * @example logSoftmax(tensor([0, 0])) // [-0.693147, -0.693147]
 */
export const logSoftmax = checked("logSoftmax", "tensor integer?", (x: Tensor, axis = -1): Tensor => {
  const at = normalAxis(axis, x.shape.length, `logSoftmax(${typeOf(x)}, ${axis})`);
  const shifted = sub(x, stopGradient(max(x, at, true)));
  return sub(shifted, log(sum(exp(shifted), at, true)));
});

/**
 * The first half of an axis times σ of the second.  Dauphin et al. 2017.  n → n/2; f32 [..., 2N, ...] → [..., N, ...]. Errors:
 * ShapeError for an odd number of elements.
 */
export const glu = checked("glu", "tensor integer?", (x: Tensor, axis = -1): Tensor => {
  const n = x.shape[normalAxis(axis, x.shape.length, `glu(${typeOf(x)}, ${axis})`)];
  if (n % 2 !== 0) throw new ShapeError(`axis ${axis} has ${n} elements, which have no halves`);
  return mul(sliceAxis(x, axis, 0, n / 2), sigmoid(sliceAxis(x, axis, n / 2, n)));
});
