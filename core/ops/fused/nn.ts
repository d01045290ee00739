import { ShapeError } from "../../errors.js";
import { expects } from "../../expects.js";
import { callOf } from "../../print.js";
import { normalAxis, sameShape } from "../../shape.js";
import type { Tensor } from "../../tensor.js";
import { sum } from "../broadcast.js";
import { widened } from "../cast.js";
import { gather } from "../index-ops.js";
import { iota } from "../leaf.js";
import { stopGradient } from "../marker.js";
import { abs, add, div, exp, less, log, mul, rsqrt, silu, square, sub, where } from "../pointwise.js";
import { max, mean } from "../reduce.js";
import { concat, permute, reshape, sliceAxis } from "../view.js";
import { fused } from "./fused.js";

/** The result has the shape of the first operand. */
const ofFirst = ([x]: readonly Tensor[]) => x.shape;

/** e^(x - max) and its sum over the last axis. The shift cancels, so no gradient flows through it. */
export const shiftedExp = (x: Tensor): { shift: Tensor; e: Tensor; total: Tensor } => {
  const shift = stopGradient(max(x, -1, true));
  const e = exp(sub(x, shift));
  return { shift, e, total: sum(e, -1, true) };
};

/** x as f32 with an axis as the last one, and the way back. Throws unless it has rows to work on: an axis, not empty. */
const rowsOf = (name: string, given: Tensor, axis: number): { rows: Tensor; restore: (y: Tensor) => Tensor } => {
  expects(name, "tensor number", given, axis);
  const x = widened(given);
  const call = callOf(name, [x]);
  const rank = x.shape.length;
  const at = rank === 0 ? -1 : normalAxis(axis, rank, call);
  if (!(x.shape[at] > 0) || x.dtype !== "f32")
    throw new ShapeError(
      `${call}: needs f32 with at least one element on ${axis === -1 ? "a last axis" : `axis ${axis}`}`,
    );
  const order = [...x.shape.keys()].filter((i) => i !== at).concat(at);
  return {
    rows: permute(x, order),
    restore: (y) =>
      permute(
        y,
        [...order.keys()].map((i) => order.indexOf(i)),
      ),
  };
};

const softmaxOp = fused(
  "softmax",
  ([x]) => {
    const { e, total } = shiftedExp(x);
    return div(e, total);
  },
  { shapeOf: ofFirst, batch: { along: "leading" } },
);
/**
 * eˣ / Σ eˣ over an axis, the last by default; x: [..., D].
 * @example softmax(tensor([0, 0])) // [0.5, 0.5]
 */
export const softmax = (x: Tensor, axis = -1): Tensor => {
  const { rows, restore } = rowsOf("softmax", x, axis);
  return restore(softmaxOp([rows], {}));
};

/** log Σ eˣ over an axis, the last by default; [..., D] → [...]. Of nothing but -∞ it is -∞, and ∞ where one of x is. */
export const logSumExp = (x: Tensor, axis = -1): Tensor => {
  const { rows } = rowsOf("logSumExp", x, axis);
  const most = stopGradient(max(rows, -1, true));
  const shift = where(less(abs(most), Number.POSITIVE_INFINITY), most, 0);
  return reshape(add(shift, log(sum(exp(sub(rows, shift)), -1, true))), rows.shape.slice(0, -1));
};

const rmsnormOp = fused(
  "rmsnorm",
  ([x, w], { eps }: { eps: number }) => mul(mul(x, rsqrt(add(mean(square(x), -1, true), eps))), w),
  { shapeOf: ofFirst, batch: { along: "leading", shared: [1] } },
);
/**
 * y = x / rms(x) · w over the last axis.  x: [..., D], w: [D].  Zhang & Sennrich 2019. Errors: ShapeError unless w has the size
 * of x's last axis.
 */
export const rmsnorm = (x: Tensor, w: Tensor, eps: number): Tensor => {
  expects("rmsnorm", "tensor tensor number", x, w, eps);
  if (w.shape.length !== 1 || w.shape[0] !== x.shape[x.shape.length - 1])
    throw new ShapeError(`${callOf("rmsnorm", [x, w])}: the weight needs the size of x's last axis`);
  return rmsnormOp([x, w], { eps });
};

const swigluOp = fused("swiglu", ([gate, up]) => mul(silu(gate), up), {
  shapeOf: ofFirst,
  batch: { along: "leading" },
});
/** gate · σ(gate) · up, element by element.  Shazeer 2020. Both f32 [...S] → [...S]. Errors: ShapeError for two shapes. */
export const swiglu = (gate: Tensor, up: Tensor): Tensor => {
  expects("swiglu", "tensor tensor", gate, up);
  if (!sameShape(gate.shape, up.shape)) throw new ShapeError(`${callOf("swiglu", [gate, up])}: both need one shape`);
  return swigluOp([gate, up], {});
};

const ropeOp = fused(
  "rope",
  ([x, cosine, sine]) => {
    const half = x.shape[3] / 2;
    const [c, s] = [cosine, sine].map((table) => reshape(table, [x.shape[0], x.shape[1], 1, half]));
    const [a, b] = [sliceAxis(x, 3, 0, half), sliceAxis(x, 3, half, 2 * half)];
    return concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], 3);
  },
  { shapeOf: ofFirst, batch: { along: "first" } },
);
/**
 * Rotates pairs (i, i + D/2) of the last axis by an angle each.  x: [B, T, H, D]; cosine, sine: [B, T, D/2].  Su et al. 2021.
 * Errors: ShapeError for other shapes.
 */
export const rope = (x: Tensor, cosine: Tensor, sine: Tensor): Tensor => {
  expects("rope", "tensor tensor tensor", x, cosine, sine);
  const [B, T, , D] = x.shape;
  const fits = (angles: Tensor) => sameShape(angles.shape, [B, T, D / 2]);
  if (x.shape.length !== 4 || D % 2 !== 0 || !fits(cosine) || !fits(sine))
    throw new ShapeError(`${callOf("rope", [x, cosine, sine])}: needs x [B,T,H,D] and angles [B,T,D/2]`);
  return ropeOp([x, cosine, sine], {});
};

const crossEntropyOp = fused(
  "crossEntropy",
  ([logits, target]) => {
    const [N, V] = logits.shape;
    const flat = reshape(logits, [N * V]);
    // Unlike logSumExp, an infinite logit has no loss, as it has no softmax.
    const top = stopGradient(max(logits, -1, true));
    const whole = reshape(add(top, log(sum(exp(sub(logits, top)), -1, true))), [N]);
    return sub(whole, gather(flat, add(mul(iota([N]), V), target)));
  },
  { shapeOf: ([, target]) => target.shape, batch: { along: "first" } },
);
/**
 * -log softmax(logits)[target], row by row; NaN where the largest logit is infinite, as in torch.  logits: [N, V];
 * target: i32 [N], 0 ≤ target < V → [N]. Errors: ShapeError for other shapes or dtypes.
 * @example crossEntropy(tensor([[0, 0], [9, 0]]), tensor([1, 0], undefined, "i32")) // [0.693147, 0.000123402]
 */
export const crossEntropy = (logits: Tensor, target: Tensor): Tensor => {
  expects("crossEntropy", "tensor tensor", logits, target);
  if (logits.shape.length !== 2 || !sameShape(target.shape, logits.shape.slice(0, 1)) || target.dtype !== "i32")
    throw new ShapeError(`${callOf("crossEntropy", [logits, target])}: needs logits [N,V] and i32 targets [N]`);
  return crossEntropyOp([logits, target], {});
};
