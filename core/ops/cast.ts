import { type DType, isFloating, isHalf } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { callOf, typeOf } from "../print.js";
import { sameShape } from "../shape.js";
import { type HalfType, roundRandomly, roundToHalf } from "../storage/half.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { elementwise } from "./elementwise.js";

/** A tensor as ops read it: bf16 and f16 as the f32 of the same value. */
export const widened = (x: Tensor): Tensor => (isHalf(x.dtype) ? cast(x, "f32") : x);

const castOp: Op = {
  name: "cast",
  kind: "pointwise",
  evaluate: elementwise((x, _y, _z, out) => {
    if (isHalf(out.dtype)) return roundToHalf(x, out.dtype);
    if (out.dtype === "bool") return x !== 0 ? 1 : 0;
    if (out.dtype === "f32" || out.attrs.from !== "f32") return x;
    const [low, high] = out.dtype === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
    return Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, low), high));
  }),
  vjp: (ct, [x], out) => [isFloating(x.dtype) && isFloating(out.dtype) ? ct : null],
};

/**
 * Converts: f32 → integer truncates and saturates (NaN gives 0), i32 ↔ u32 keep the bits, → bool is x ≠ 0, → bf16 or f16
 * rounds to nearest even; from these to f32 is exact, and to all others by way of it. A gradient passes between floats. [...S]
 * → [...S].
 * @example cast(tensor([1.5, -0.5]), "i32") // i32 [1, 0]
 */
export const cast = (x: Tensor, dtype: DType): Tensor => {
  expects("cast", "tensor dtype", x, dtype);
  if (x.dtype === dtype) return x;
  const isByF32 = x.dtype !== "f32" && dtype !== "f32" && (isHalf(x.dtype) || isHalf(dtype));
  return isByF32 ? cast(cast(x, "f32"), dtype) : node(castOp, [x], { from: x.dtype }, x.shape, dtype);
};

const roundRandomOp: Op = {
  name: "roundRandom",
  kind: "pointwise",
  evaluate: elementwise((x, random, _, out) => roundRandomly(x, random, out.dtype as HalfType)),
  vjp: (ct) => [ct, null],
};

/**
 * x as bf16 or f16, rounded up or down at random such that the mean is x: what a small change needs, to survive in a
 * format that cannot hold it.  x: f32 [...S], bits: u32 [...S] (`bits(key, shape)`), all 32 of them uniform → [...S].
 * What the dtype holds stays what it is; finite numbers stay finite. The gradient passes, as through `cast`. Errors: ShapeError
 * for other dtypes, or two shapes.
 */
export const roundRandom = (x: Tensor, bits: Tensor, dtype: HalfType): Tensor => {
  expects("roundRandom", "tensor tensor text", x, bits, dtype);
  if (x.dtype !== "f32" || bits.dtype !== "u32" || !isHalf(dtype))
    throw new ShapeError(`${callOf("roundRandom", [x, bits])}: needs f32, u32 bits, and "bf16" or "f16"`);
  if (!sameShape(x.shape, bits.shape))
    throw new ShapeError(`roundRandom(${typeOf(x)}, ${typeOf(bits)}): both need one shape`);
  return node(roundRandomOp, [x, bits], {}, x.shape, dtype);
};
