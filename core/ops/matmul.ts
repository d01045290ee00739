import { hostArray } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { callOf } from "../print.js";
import { broadcastShapes, sizeOf } from "../shape.js";
import { roundToHalf } from "../storage/half.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { broadcastTo } from "./broadcast.js";
import { widened } from "./cast.js";
import { reshape, transpose } from "./view.js";

/** How a product is computed. */
export interface MatmulOptions {
  /**
   * What both operands are rounded to, to nearest even, before they are multiplied; sums are f32 whatever it is. "f16" is what
   * matrix units take: beyond 65504 it is infinite, and below 6e-5 a device may take it for 0. Default: "f32".
   */
  readonly operands?: "f32" | "f16";
}

const operandsOf = ({ attrs }: Tensor): MatmulOptions => attrs as MatmulOptions;

const matmulOp: Op = {
  name: "matmul",
  kind: "matmul",
  evaluate: (given, out) => {
    const isRounded = operandsOf(out).operands === "f16";
    const [a, b] = given.map((x) => (isRounded ? { ...x, data: x.data.map((v) => roundToHalf(v, "f16")) } : x));
    const [m, k] = a.shape.slice(-2);
    const n = b.shape[b.shape.length - 1];
    const data = hostArray("f32", sizeOf(out.shape));
    for (let row = 0; row < data.length / Math.max(n, 1); row++) {
      const batch = Math.floor(row / m);
      for (let i = 0; i < k; i++) {
        const x = a.data[row * k + i];
        for (let j = 0; j < n; j++) data[row * n + j] += x * b.data[(batch * k + i) * n + j];
      }
    }
    return data;
  },
  vjp: (ct, [a, b], out) => [matmul(ct, transpose(b), operandsOf(out)), matmul(transpose(a), ct, operandsOf(out))],
  // Leading axes broadcast, and a shared matrix on the right makes one large product.
  batch: ([a, b], of) => matmul(a.x, b.x, operandsOf(of)),
};

/**
 * Matrix product over the last two axes: [...B, M, K] × [...B, K, N] → [...B, M, N]; leading axes broadcast, and a matrix
 * on the right of a batch is one large product. Sums are f32. Gradients are products with the same options. Errors: ShapeError if
 * the inner sizes differ, and for operands of another name.
 * @example matmul(tensor([[1, 2], [3, 4]]), tensor([[1], [1]])) // [[3], [7]]
 */
export const matmul = (left: Tensor, right: Tensor, options: MatmulOptions = {}): Tensor => {
  expects("matmul", "tensor tensor", left, right);
  const [a, b] = [widened(left), widened(right)];
  const call = callOf("matmul", [a, b]);
  if (a.shape.length < 2 || b.shape.length < 2)
    throw new ShapeError(`${call}: needs at least two axes each`, "reshape a vector to [1, n] or [n, 1]");
  if (a.dtype !== "f32" || b.dtype !== "f32") throw new ShapeError(`${call}: needs f32`, 'cast(x, "f32")');
  const { operands = "f32" } = options;
  if (operands !== "f32" && operands !== "f16")
    throw new ShapeError(`${call}: operands "${String(operands)}" are not known`, 'use "f32" or "f16"');
  const [m, k] = a.shape.slice(-2);
  const [k2, n] = b.shape.slice(-2);
  if (k !== k2)
    throw new ShapeError(
      `${call}: inner sizes differ (${k} and ${k2})`,
      k === n ? "did you mean matmul(a, transpose(b))?" : "the last axis of a must be the one before last of b",
    );
  if (b.shape.length === 2 && a.shape.length > 2)
    return reshape(matmul(reshape(a, [sizeOf(a.shape.slice(0, -1)), k]), b, options), [...a.shape.slice(0, -1), n]);
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (batch === undefined) throw new ShapeError(`${call}: leading axes do not broadcast`);
  const inputs = [broadcastTo(a, [...batch, m, k]), broadcastTo(b, [...batch, k, n])];
  return node(matmulOp, inputs, operands === "f16" ? { operands } : {}, [...batch, m, n], "f32");
};
