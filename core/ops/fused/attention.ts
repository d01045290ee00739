import { ShapeError } from "../../errors.js";
import { expects } from "../../expects.js";
import { callOf } from "../../print.js";
import { sameShape } from "../../shape.js";
import { instead } from "../../suggest.js";
import type { Tensor } from "../../tensor.js";
import { broadcastTo } from "../broadcast.js";
import { iota } from "../leaf.js";
import { type MatmulOptions, matmul } from "../matmul.js";
import { and, div, lessEqual, mul, tanh, where } from "../pointwise.js";
import { permute, reshape, transpose } from "../view.js";
import { fused } from "./fused.js";
import { softmax } from "./nn.js";

/** Score of a slot that may not be seen: finite, since WGSL may assume that infinities do not occur. */
const MASKED = -1e30;

/** What attention may be told beside its operands. */
export interface AttentionOptions {
  /**
   * i32 [B, T]: the first slot that each query sees; default: slot 0. A sliding window of w slots is
   * from = max(0, position - w + 1); rows packed into one sequence have from = the first slot of their own segment.
   */
  readonly from?: Tensor;
  /** Scores become c · tanh(score / c), as in Gemma 2; c > 0. Default: they stay as they are. */
  readonly softCap?: number;
  /**
   * "f16": as `operands` of `matmul`, of all products: queries, keys, values, weights and cotangents are rounded. A device may leave
   * weights and cotangents as they are; where it does not, it brings cotangents into the range of f16 by a power of two, whatever
   * their size. Default: "f32".
   */
  readonly operands?: MatmulOptions["operands"];
  /** No query sees more slots than this, a window's width: plans count so much work, and no number depends on it. Default: any. */
  readonly most?: number;
}

/** What nodes have for options. */
interface AttentionAttrs extends Omit<AttentionOptions, "from"> {
  readonly scale: number;
  readonly [name: string]: unknown;
}

const attentionOp = fused(
  "attention",
  ([q, k, v, position, from], { scale, softCap, operands }: AttentionAttrs) => {
    const [B, T, H, D] = q.shape;
    const [, S, G] = k.shape; // G key-value heads, each shared by H/G query heads
    const shared = (x: Tensor) =>
      reshape(broadcastTo(reshape(permute(x, [0, 2, 1, 3]), [B, G, 1, S, D]), [B, G, H / G, S, D]), [B, H, S, D]);
    const ofQueries = (x: Tensor) => reshape(x, [B, 1, T, 1]);
    const scores = mul(matmul(permute(q, [0, 2, 1, 3]), transpose(shared(k)), { operands }), scale);
    const capped = softCap === undefined ? scores : mul(tanh(div(scores, softCap)), softCap);
    const slot = iota([S]);
    const isReached = lessEqual(slot, ofQueries(position));
    const visible = from === undefined ? isReached : and(isReached, lessEqual(ofQueries(from), slot));
    const weights = where(visible, softmax(where(visible, capped, MASKED)), 0);
    return permute(matmul(weights, shared(v), { operands }), [0, 2, 1, 3]);
  },
  { shapeOf: ([q]) => q.shape, batch: { along: "first" } },
);

const optionNames = ["from", "softCap", "operands", "most"] as const satisfies readonly (keyof AttentionOptions)[];

/**
 * Causal attention: the query at t sees the key slots s with from[b, t] ≤ s ≤ position[b, t]; from is 0 unless it is given.
 * q: [B, T, H, D]; k, v: [B, S, G, D] with G | H (grouped queries); position, from: i32 [B, T] → [B, T, H, D].
 * A query that sees nothing (from > position, or position < 0) is 0, and has no part in any gradient. Slots that a query does
 * not see (padding, unused cache, other segments) weigh exactly 0; kernels pass over tiles of slots that no query of theirs
 * sees. What lies past all that the queries of a row see may be anything (devices alone; the definition needs numbers); other
 * slots must hold finite numbers all the same: 0 · ∞ is NaN, and it depends on the device whom it reaches.
 * Errors: ShapeError for shapes, dtypes or options that do not fit. Vaswani et al. 2017; Ainslie et al. 2023; windows:
 * Beltagy et al. 2020; softCap: Gemma Team 2024.
 */
export const attention = (
  q: Tensor,
  k: Tensor,
  v: Tensor,
  position: Tensor,
  scale: number,
  options: AttentionOptions = {},
): Tensor => {
  expects("attention", "tensor tensor tensor tensor number", q, k, v, position, scale);
  const { from, softCap, operands = "f32", most } = options;
  const inputs = [q, k, v, position, ...(from === undefined ? [] : [from])];
  const call = () => callOf("attention", inputs);
  for (const name of Object.keys(options))
    if (!(optionNames as readonly string[]).includes(name))
      throw new ShapeError(`${call()}: option "${name}" is not known`, instead(name, optionNames));
  const [B, T, H, D] = q.shape;
  const fits =
    k.shape.length === 4 &&
    q.shape.length === 4 &&
    v.shape.every((n, i) => n === k.shape[i]) &&
    k.shape[0] === B &&
    k.shape[3] === D &&
    H % k.shape[2] === 0 &&
    v.shape.length === 4 &&
    inputs.slice(3).every((slots) => sameShape(slots.shape, [B, T]) && slots.dtype === "i32");
  if (!fits)
    throw new ShapeError(
      `${call()}: shapes do not fit`,
      "needs q [B,T,H,D], k and v [B,S,G,D] with G dividing H, position i32 [B,T], and from, if given, i32 [B,T]",
    );
  if (softCap !== undefined && !(Number.isFinite(softCap) && softCap > 0))
    throw new ShapeError(`${call()}: softCap ${softCap} is not a finite number above 0`, "leave it out for none");
  if (operands !== "f32" && operands !== "f16")
    throw new ShapeError(`${call()}: operands "${String(operands)}" are not known`, 'use "f32" or "f16"');
  if (most !== undefined && !(Number.isInteger(most) && most > 0))
    throw new ShapeError(`${call()}: most ${most} is not a number of slots`, "leave it out for any");
  return attentionOp(inputs, {
    scale,
    ...(most !== undefined && { most }),
    ...(softCap !== undefined && { softCap }),
    ...(operands === "f16" && { operands }),
  });
};
