import {
  add,
  div,
  exp,
  log,
  maximum,
  mean,
  mul,
  neg,
  reshape,
  rsqrt,
  sizeOf,
  sqrt,
  square,
  sub,
  type Tensor,
} from "../../core/index.js";
import { notNegative, within } from "../check.js";
import { plain, type Rule } from "../rule.js";

/** Options of `adafactor`; names and defaults are the paper's. */
export interface AdafactorOptions {
  /** How fast old squares fade: β₂ₜ = 1 − t^−decay, in [0, 1]. Default 0.8. */
  readonly decay?: number;
  /** Added to g². Default 1e-30. */
  readonly eps?: number;
  /** Root mean square that an update has at most, before lr. Default 1. */
  readonly clip?: number;
}

/**
 * Adafactor's proposal with a given rate, as transformers' with neither relative steps nor scaled parameters (what its Trainer
 * takes): of g² only the means of rows and of columns are kept, so a matrix [m, n] costs m + n numbers instead of 2mn.
 * ```text
 * R ← β₂ₜR + (1−β₂ₜ)·mean over columns of (g²+ε),  C likewise over rows,  u = g / √(R C / mean R),
 * Δ = −lr · u / max(1, rms(u) / clip)                              grad [*S] → Δ [*S]; vectors keep all of g².
 * ```
 * Errors: InputError unless decay ∈ [0, 1] and ε, clip ≥ 0.  Source: Shazeer & Stern 2018; transformers' Adafactor.
 */
export const adafactor = ({ decay = 0.8, eps = 1e-30, clip = 1 }: AdafactorOptions = {}): Rule => {
  within("adafactor", "decay", decay, 0, 1);
  notNegative("adafactor", "ε", eps);
  notNegative("adafactor", "clip", clip);
  return {
    ...plain,
    name: "adafactor",
    slots: ["rows", "columns"],
    scalars: ["t"],
    advance: (scalars) => ({ ...scalars, t: add(scalars.t, 1) }),
    // A vector's squares stand in `rows`.
    slotShape: (slot, shape) => {
      if (slot === "rows") return shape.length < 2 ? shape : shape.slice(0, -1);
      if (slot === "columns") return shape.length < 2 ? [0] : [...shape.slice(0, -2), shape[shape.length - 1]];
      return shape;
    },
    step: (grad, slots, { lr, scalars }) => {
      if (sizeOf(grad.shape) === 0) return { change: grad, slots };
      const fresh = exp(mul(-decay, log(scalars.t))); // 1 − β₂ₜ
      const squares = add(square(grad), eps);
      const towards = (old: Tensor, now: Tensor): Tensor => add(old, mul(fresh, sub(now, old)));
      const isVector = grad.shape.length < 2;
      const rows = towards(slots.rows, isVector ? squares : mean(squares, -1));
      const columns = isVector ? slots.columns : towards(slots.columns, mean(squares, -2));
      const column = (x: Tensor): Tensor => reshape(x, [...x.shape, 1]);
      const scale = isVector
        ? rsqrt(rows)
        : mul(
            column(mul(rsqrt(rows), sqrt(mean(rows, -1, true)))),
            reshape(rsqrt(columns), [...columns.shape.slice(0, -1), 1, columns.shape[columns.shape.length - 1]]),
          );
      const u = mul(grad, scale);
      const excess = maximum(1, div(sqrt(mean(square(u))), clip));
      return { change: mul(neg(lr), div(u, excess)), slots: { ...slots, rows, columns } };
    },
  };
};
