import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { callOf } from "../print.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { broadcastTo } from "./broadcast.js";
import { threefryBits } from "./definitions.js";
import { elementwise } from "./elementwise.js";
import type { PointwiseName } from "./pointwise.js";

/** Uniform numbers k/2²⁴ in [0, 1) from the upper 24 bits of u32. u32 [...S] → f32 [...S]. Errors: ShapeError unless u32. */
export const unitInterval = (bits: Tensor): Tensor => {
  expects("unitInterval", "tensor", bits);
  if (bits.dtype !== "u32") throw new ShapeError(`${callOf("unitInterval", [bits])}: needs u32`);
  return node(unitOp, [bits], {}, bits.shape, "f32");
};
const unitOp: Op = {
  name: "unitInterval" satisfies PointwiseName,
  kind: "pointwise",
  evaluate: elementwise((x) => (x >>> 8) * 2 ** -24),
};

/**
 * Threefry2x32-20 bits of (key = k0, k1; index; domain), element by element. Element i takes word (i>>2)&1 of the block
 * with counter (i>>3)·4 + (i&3): blocks of eight share four calls, so that SIMD wastes none. Source: Salmon et al. 2011. All
 * u32 [...S] → [...S]. Errors: ShapeError unless u32.
 */
export const randomBits = (k0: Tensor, k1: Tensor, index: Tensor, domain: number): Tensor => {
  expects("randomBits", "tensor tensor tensor number", k0, k1, index, domain);
  const inputs = [k0, k1, index];
  if (inputs.some((x) => x.dtype !== "u32")) throw new ShapeError(`${callOf("randomBits", inputs)}: needs u32`);
  return node(
    randomBitsOp,
    inputs.map((x) => broadcastTo(x, index.shape)),
    { domain },
    index.shape,
    "u32",
  );
};
const randomBitsOp: Op = {
  name: "randomBits" satisfies PointwiseName,
  kind: "pointwise",
  evaluate: elementwise((k0, k1, index, out) => threefryBits(k0, k1, index, out.attrs.domain as number)),
};
