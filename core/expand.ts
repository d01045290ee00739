import { expects } from "./expects.js";
import { node, type Op, reachable, type Tensor } from "./tensor.js";

/**
 * Rewrites a graph node by node in creation order: `rule` sees each node with its rewritten inputs and gives its
 * replacement, or undefined to keep it. What a rule makes is rewritten in turn, `depth` times over. From the first change
 * on every node is made anew, so that creation order stays the order in which the graph was written. Any shapes [...S].
 */
export const rewrite = (
  outputs: readonly Tensor[],
  rule: (t: Tensor, inputs: readonly Tensor[]) => Tensor | undefined,
  depth = 0,
): Tensor[] => {
  expects("rewrite", "tensors function number", outputs, rule, depth);
  const replaced = new Map<Tensor, Tensor>();
  const settle = (tops: readonly Tensor[], left: number): void => {
    let changed = false;
    for (const t of reachable(tops, replaced)) {
      const inputs = t.inputs.map((input) => replaced.get(input) as Tensor);
      let result = rule(t, inputs);
      if (result === undefined)
        result = (changed || !same(inputs, t.inputs)) && t.op.kind !== "leaf" ? again(t, inputs) : t;
      else if (result !== t) {
        changed = true;
        if (left > 0) {
          if (!replaced.has(result)) settle([result], left - 1);
          result = replaced.get(result) as Tensor;
        }
      }
      replaced.set(t, result);
      if (!replaced.has(result)) replaced.set(result, result);
    }
  };
  settle(outputs, depth);
  return outputs.map((t) => replaced.get(t) as Tensor);
};

const same = (a: readonly Tensor[], b: readonly Tensor[]): boolean => a.every((x, i) => x === b[i]);

/** The same op over other inputs. */
const again = (t: Tensor, inputs: readonly Tensor[]): Tensor => node(t.op, inputs, t.attrs, t.shape, t.dtype);

/** A graph with other tensors in the place of some: those that `stands` holds, and all that it found before. */
export const substitute = (outputs: readonly Tensor[], stands: Map<Tensor, Tensor>): Tensor[] => {
  for (const t of reachable(outputs, stands)) {
    const inputs = t.inputs.map((x) => stands.get(x) as Tensor);
    stands.set(t, same(inputs, t.inputs) ? t : again(t, inputs));
  }
  return outputs.map((t) => stands.get(t) as Tensor);
};

/**
 * Replaces fused ops by their expansions, until only primitives and the ops that `keep` names are left. Any shapes [...S],
 * which stay.
 */
export const expand = (outputs: readonly Tensor[], keep: (op: Op) => boolean = () => false): Tensor[] => {
  expects("expand", "tensors function", outputs, keep);
  return rewrite(outputs, (t, inputs) => (keep(t.op) ? undefined : t.op.expand?.(t, inputs)), Number.POSITIVE_INFINITY);
};
