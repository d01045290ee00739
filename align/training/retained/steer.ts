import { add, cast, InputError, sub, treeMap, treeZip } from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import type { OptimizerState } from "../../../optim/optimizer.js";
import { inNullSpace } from "../../../optim/retain/null-space.js";
import { helpful, orthogonalTo } from "../../../optim/retain/orthogonal.js";

/**
 * What is done with the gradients of retained data. "orthogonal" (OGPSA): of a step's gradient nothing along theirs is kept;
 * "opposed": nothing against theirs; "drift": the reference delta is kept where it helps on the first set.
 */
export const STEERINGS = ["orthogonal", "opposed", "drift"] as const;
/** One of `STEERINGS`. */
export type Steering = (typeof STEERINGS)[number];

/** A step's gradients and τ, as retained data leaves them. Parameters without a retained gradient stay as they are. */
export const steered = (
  use: Steering,
  retained: readonly Params[],
  { grads, tau }: { readonly grads: Params; readonly tau?: Params },
): { readonly grads: Params; readonly tau?: Params } => {
  if (use === "drift")
    return { grads, ...(tau && { tau: treeZip(([t, g]) => helpful(cast(t, "f32"), g), tau, retained[0]) }) };
  const made = treeZip(([g, ...others]) => orthogonalTo(cast(g, "f32"), others, use === "opposed"), grads, ...retained);
  return { grads: made, ...(tau && { tau }) };
};

/**
 * A state after a step, with the step held in the null spaces of retained inputs (`nullSpaces`): by name a matrix for each linear
 * layer. What has none stays as it was before.
 * Errors: InputError for weights that are rounded to bf16, or compensated: what rounding moves would leave the space.
 */
export const heldIn = (
  spaces: Params,
  before: OptimizerState<Params>,
  after: OptimizerState<Params>,
): OptimizerState<Params> => ({
  ...after,
  params: treeMap((next, name) => {
    const w = before.params[name];
    if (next.dtype !== "f32" || "lost" in after.slots)
      throw new InputError("nullSpaces: weights must be f32, and not compensated; rounding would leave the null space");
    return name in spaces ? add(w, inNullSpace(sub(next, w), spaces[name])) : w;
  }, after.params),
});
