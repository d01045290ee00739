import { asks, expects } from "../core/expects.js";
import {
  abs,
  add,
  equal,
  greaterEqual,
  less,
  maximum,
  minimum,
  mul,
  or,
  sign,
  type Tensor,
  where,
} from "../core/index.js";

/** Joins the sparsified update and the sparsified reference delta under the weight α.  All [*S]. */
export type Consensus = (delta: Tensor, tau: Tensor, alpha: number) => Tensor;

/** (1−α)·a + α·b: every element of both counts. OnDARE. */
export const weightedSum: Consensus = asks("weightedSum", "tensor tensor number", (delta, tau, alpha) =>
  add(mul(1 - alpha, delta), mul(alpha, tau)),
);

/**
 * a ⊕ b = a+b where the signs agree (0 agrees with all), else the one of larger magnitude; a ⊕ −a = 0.  All [*S].
 * Laws: commutative, odd, positively homogeneous, 0 its identity. Not associative: (1 ⊕ 1.5) ⊕ −2 ≠ 1 ⊕ (1.5 ⊕ −2).
 * Source: Lu et al. 2024, eq. 4.
 */
export const signConsensus = (a: Tensor, b: Tensor): Tensor => {
  expects("signConsensus", "tensor tensor", a, b);
  // Signs, not a·b: a product of two small numbers underflows to "they agree".
  const agree = greaterEqual(mul(sign(a), sign(b)), 0);
  const tie = equal(abs(a), abs(b));
  return where(or(agree, tie), add(a, b), where(less(abs(a), abs(b)), b, a));
};

/** (1−α)a ⊕ αb: the vote is weighted. The paper's OnTIES. */
export const weightedVote: Consensus = asks("weightedVote", "tensor tensor number", (delta, tau, alpha) =>
  signConsensus(mul(1 - alpha, delta), mul(alpha, tau)),
);

/** x where its sign is the elected one, else 0. */
const siding = (x: Tensor, positive: Tensor): Tensor => where(positive, maximum(x, 0), minimum(x, 0));

/**
 * The sign of a + b is elected, without weights and with zero as +; elements of the other sign drop; then (1−α)a + αb.
 * The released OnTIES: a τ a thousand times Δ wins the vote and leaves its α-fold.
 */
export const unweightedVote: Consensus = asks("unweightedVote", "tensor tensor number", (delta, tau, alpha) => {
  const positive = greaterEqual(add(tau, delta), 0);
  return weightedSum(siding(delta, positive), siding(tau, positive), alpha);
});

/** a alone: merging switched off. */
export const deltaOnly: Consensus = (delta) => delta;

/** The part of a that sides with the vote: the released OnTIES with `use_merge=false` still gates by τ. */
export const votedDelta: Consensus = asks("votedDelta", "tensor tensor", (delta, tau) =>
  siding(delta, greaterEqual(add(tau, delta), 0)),
);
