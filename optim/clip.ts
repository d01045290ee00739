import {
  add,
  div,
  leaves,
  minimum,
  mul,
  scalar,
  sqrt,
  square,
  sum,
  type Tensor,
  type TensorLike,
  type Tree,
  treeMap,
} from "../core/index.js";

/** √Σ g² over all tensors of a tree; a scalar, 0 for an empty tree. */
export const globalNorm = (tree: Tree): Tensor =>
  sqrt(leaves(tree).reduce<Tensor>((total, g) => add(total, sum(square(g))), scalar(0)));

/**
 * Scales a tree of gradients by min(1, maxNorm / (norm + 1e-6)), so that its global norm stays below maxNorm. Returns the
 * norm before clipping too. A NaN anywhere makes all NaN.  Source: torch.nn.utils.clip_grad_norm_.
 */
export const clipByGlobalNorm = <T extends Tree>(grads: T, maxNorm: TensorLike): { grads: T; norm: Tensor } => {
  const norm = globalNorm(grads);
  const coefficient = minimum(1, div(maxNorm, add(norm, 1e-6)));
  return { grads: treeMap((g) => mul(g, coefficient), grads), norm };
};
