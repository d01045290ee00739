import { expects } from "../core/expects.js";
import {
  add,
  concat,
  div,
  leaves,
  minimum,
  mul,
  reshape,
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
export const globalNorm = (tree: Tree): Tensor => {
  expects("globalNorm", "tree", tree);
  const squares = leaves(tree).map((g) => reshape(sum(square(g)), [1]));
  return squares.length === 0 ? scalar(0) : sqrt(sum(concat(squares)));
};

/** What keeps gradients of this global norm below maxNorm: min(1, maxNorm / (norm + 1e-6)); a scalar. */
export const clipFactor = (norm: Tensor, maxNorm: TensorLike): Tensor => minimum(1, div(maxNorm, add(norm, 1e-6)));

/**
 * Scales a tree of gradients by `clipFactor`, so that its global norm stays below maxNorm. Returns the norm before clipping
 * too. A NaN anywhere makes all NaN.  Source: torch.nn.utils.clip_grad_norm_. Gradients [...S], the norm [].
 * @example clipByGlobalNorm({ w: tensor([3, 4]) }, 1)
 */
export const clipByGlobalNorm = <T extends Tree>(grads: T, maxNorm: TensorLike): { grads: T; norm: Tensor } => {
  expects("clipByGlobalNorm", "tree operand", grads, maxNorm);
  const norm = globalNorm(grads);
  const factor = clipFactor(norm, maxNorm);
  return { grads: treeMap((g) => mul(g, factor), grads), norm };
};
