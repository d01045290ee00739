import { isFloating } from "../dtype.js";
import { expects } from "../expects.js";
import { after, variable } from "../ops/marker.js";
import { add } from "../ops/pointwise.js";
import { concat, sliceAxis } from "../ops/view.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { vjpOf } from "./grad.js";

/**
 * f, but its intermediate values are computed again in the backward pass instead of being kept: memory for compute.
 * f: tensors of any shapes → one tensor; the numbers do not change.
 * Tensors that f captures count as constants: pass what needs a gradient.  Chen et al. 2016.
 * @example grad((x: Tensor) => sum(checkpoint((x) => exp(exp(x)))(x)))(tensor([0])) // [2.71828]
 */
export const checkpoint = <A extends Tensor[]>(f: (...inputs: A) => Tensor): ((...inputs: A) => Tensor) => {
  expects("checkpoint", "function", f);
  const op: Op = {
    name: "checkpoint",
    kind: "closure",
    expand: (_, inputs) => f(...(inputs as A)),
    vjp: (ct, inputs) => {
      const again = inputs.map((x) => after(x, ct)); // recomputed once ct is known
      return vjpOf([f(...(again as A))], [ct], again);
    },
  };
  return (...inputs) => {
    expects("checkpoint", "tensors", inputs);
    const out = f(...(inputs.map(variable) as A));
    return node(op, inputs, {}, out.shape, out.dtype);
  };
};

/** One block after the other: [from, to) of `count` rows, `size` at most. */
export const blocksOf = (count: number, size: number): readonly (readonly [from: number, to: number])[] =>
  Array.from({ length: Math.ceil(count / size) }, (_, i) => [i * size, Math.min(count, (i + 1) * size)]);

/**
 * f over blocks of at most `size` rows, one after the other and computed again in the backward pass: of what f makes on its
 * way, one block's worth is there at a time, however many rows there are. A single block is kept, and not computed again.
 * ```text
 * rows: tensors [N, …] that are cut along axis 0; whole: tensors that every block sees.
 * f: blocks [n, …] of the rows, and the whole tensors → [n, …].  Result: [N, …].
 * ```
 * f must treat each row by itself. The gradient of a whole tensor is added up block by block. Tensors that f captures count
 * as constants.
 */
export const inBlocks = (
  f: (rows: readonly Tensor[], whole: readonly Tensor[]) => Tensor,
  size: number,
): ((rows: readonly Tensor[], whole: readonly Tensor[]) => Tensor) => {
  expects("inBlocks", "function integer", f, size);
  return (rows, whole) => {
    expects("inBlocks", "tensors tensors", rows, whole);
    const count = rows[0].shape[0];
    if (count <= size) return f(rows, whole);
    const blocks = blocksOf(count, size);
    const cut = (x: Tensor, [from, to]: readonly [number, number]): Tensor => sliceAxis(x, 0, from, to);
    const split = (inputs: readonly Tensor[]) => [inputs.slice(0, rows.length), inputs.slice(rows.length)] as const;
    const op: Op = {
      name: "inBlocks",
      kind: "closure",
      expand: (_, inputs) => {
        const [cuttable, shared] = split(inputs);
        const of = (block: readonly [number, number]) => cuttable.map((x) => cut(x, block));
        return concat(
          blocks.map((block) => f(of(block), shared)),
          0,
        );
      },
      vjp: (ct, inputs) => {
        const [cuttable, shared] = split(inputs.map((x) => after(x, ct))); // computed once ct is known
        const parts: Tensor[][] = cuttable.map(() => []);
        let total: readonly Tensor[] | undefined;
        for (const block of blocks) {
          const own = [...cuttable.map((x) => cut(x, block)), ...shared].map(variable);
          const [ofRows, ofWhole] = split(vjpOf([f(...split(own))], [cut(ct, block)], own));
          ofRows.forEach((part, i) => {
            parts[i].push(part);
          });
          total = total === undefined ? ofWhole : total.map((sum, i) => add(sum, ofWhole[i]));
        }
        const found = [...parts.map((some) => concat(some, 0)), ...(total ?? [])];
        return found.map((x, i) => (isFloating(inputs[i].dtype) ? x : null));
      },
    };
    const first = f(
      rows.map((x) => variable(cut(x, blocks[0]))),
      whole.map(variable),
    );
    return node(op, [...rows, ...whole], {}, [count, ...first.shape.slice(1)], first.dtype);
  };
};
