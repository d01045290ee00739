import { expects } from "../core/expects.js";
import {
  add,
  and,
  cast,
  equal,
  leaves,
  mul,
  not,
  scalar,
  sum,
  type Tensor,
  type Tree,
  treeZip,
} from "../core/index.js";

/**
 * How many weights the drift α·τ should move, and in how many of them it is lost: too small to change w in the device's
 * precision. Two scalars. Law: none is lost in f64 where 0.02 + 5e-7·1e-3 is.
 * Errors: ShapeError unless both trees have one structure.
 */
export const absorbed = <T extends Tree>(params: T, tau: T, alpha: number): { lost: Tensor; moved: Tensor } => {
  expects("absorbed", "tree tree number", params, tau, alpha);
  const count = (tree: Tree) => leaves(tree).reduce<Tensor>((n, hit) => add(n, sum(cast(hit, "f32"))), scalar(0));
  const moves = (t: Tensor) => not(equal(mul(alpha, t), 0));
  return {
    moved: count(treeZip(([, t]) => moves(t), params, tau)),
    lost: count(treeZip(([w, t]) => and(moves(t), equal(add(w, mul(alpha, t)), w)), params, tau)),
  };
};
