import { expects } from "../../core/expects.js";
import { add, equal, InputError, matmul, type Shape, scalar, type Tensor, transpose, where } from "../../core/index.js";
import { integerFrom } from "../check.js";
import type { Now, Rule } from "../rule.js";
import { leading } from "./subspace.js";

/** Steps that directions serve where nothing else is said: GaLore's own. */
export const PROJECTED_STEPS = 200;

/** How a rule is held in a few directions of its gradients. */
export interface LowRankOptions {
  /** r: directions of each matrix. One with a side of r or less stays whole, and so does a vector. */
  readonly rank: number;
  /** T: they are taken from the gradient of the first step of every so many. Default 200. */
  readonly every?: number;
}

/** Where a matrix is projected: the shorter side, and its shape there. undefined: it stays whole. */
export const projectedAt = (shape: Shape, rank: number) => {
  if (shape.length !== 2 || Math.min(...shape) <= rank) return undefined;
  const [m, n] = shape;
  return m <= n
    ? { isLeft: true, basis: [m, rank], inside: [rank, n] }
    : { isLeft: false, basis: [n, rank], inside: [m, rank] };
};

/**
 * Any rule in r directions of each matrix's gradient, GaLore's way: gradient, weights and τ are projected, the rule takes its step
 * there with slots of that size (a merge too: masks, the largest and the vote are of r × n elements), and its change is carried back.
 * ```text
 * g: [m, n], m ≤ n:   every T steps P ← leading(g, P): [m, r];   g' = Pᵀg,  τ' = Pᵀτ,   change = P · rule(g', τ')
 * ```
 * (m > n: from the right). Slots: the rule's, r × n instead of m × n, and `basis`. Moments stay as numbers when the basis changes, as
 * in GaLore. τ itself stays whole, since every basis asks for another part of it; F(τ) is taken inside, at every step.
 * Laws: over plain descent, gradients of rank ≤ r lose nothing; r ≥ the shorter side is the rule; every change lies in P's span.
 * Errors: InputError unless r, T ≥ 1; for a rule that hands out an average or asks for masks that are fed in; where step-K's Δc
 * would outlive a basis.  Sources: Zhao et al. 2024 (GaLore); that merges go inside: the outlook of Lu et al. 2024.
 */
export const lowRank = (base: Rule, options: LowRankOptions): Rule => {
  expects("lowRank", "record record", base, options);
  const { rank, every = PROJECTED_STEPS } = options;
  integerFrom("lowRank", "rank", rank, 1);
  integerFrom("lowRank", "every", every, 1);
  if (base.report !== undefined)
    throw new InputError(`lowRank: ${base.name} hands out an average, which is of whole matrices`);
  if (base.usesMask) throw new InputError(`lowRank: ${base.name} asks for masks.gradient, which is of whole matrices`);
  const { gap = 1 } = base;
  if (every % gap !== 0)
    throw new InputError(
      `lowRank: every is ${every}, and ${base.name} merges every ${gap} steps; make it a multiple of that`,
    );
  return {
    ...base,
    name: `${base.name} at rank ${rank}`,
    slots: [...base.slots, "basis"],
    scalars: [...base.scalars, "sinceBasis"],
    slotShape: (slot, shape) => {
      const place = projectedAt(shape, rank);
      if (slot === "basis") return place?.basis ?? [0];
      const whole = place?.inside ?? shape;
      return base.slotShape?.(slot, whole) ?? whole;
    },
    advance: (scalars, lr) => {
      const { sinceBasis } = scalars;
      return { ...base.advance(scalars, lr), sinceBasis: where(equal(sinceBasis, every), 1, add(sinceBasis, 1)) };
    },
    // Masks of it are of the size inside, and drawn there.
    prepare: (tau) => tau,
    step: (grad, { basis, ...slots }, now) => {
      const place = projectedAt(grad.shape, rank);
      const draw: Now["draw"] = (stream, p, shape = place?.inside ?? grad.shape) => now.draw(stream, p, shape);
      const prepared = (tau: Tensor | undefined) => tau && base.prepare(tau, draw);
      if (place === undefined) {
        const out = base.step(grad, slots, { ...now, tau: prepared(now.tau) });
        return { ...out, slots: { ...out.slots, basis } };
      }
      const { isLeft } = place;
      const isFirst = equal(now.scalars.sinceBasis, scalar(1));
      const P = where(isFirst, leading(isLeft ? grad : transpose(grad), basis), basis);
      const inside = (x: Tensor): Tensor => (isLeft ? matmul(transpose(P), x) : matmul(x, P));
      const outside = (x: Tensor): Tensor => (isLeft ? matmul(P, x) : matmul(x, transpose(P)));
      const here: Now = {
        ...now,
        w: inside(now.w),
        tau: prepared(now.tau && inside(now.tau)),
        anchor: now.anchor && inside(now.anchor),
        draw,
      };
      const out = base.step(inside(grad), slots, here);
      return { change: outside(out.change), slots: { ...out.slots, basis: P } };
    },
  };
};
