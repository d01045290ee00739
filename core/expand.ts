import { node, type Op, reachable, type Tensor } from "./tensor.js";

/**
 * Rewrites a graph node by node in creation order: `rule` sees each node with its rewritten inputs and gives its
 * replacement, or undefined to keep it. From the first change on every node is made anew, so that creation order stays the
 * order in which the graph was written.
 */
export const rewrite = (
  outputs: readonly Tensor[],
  rule: (t: Tensor, inputs: readonly Tensor[]) => Tensor | undefined,
): Tensor[] => {
  const replaced = new Map<Tensor, Tensor>();
  let changed = false;
  for (const t of reachable(outputs)) {
    const inputs = t.inputs.map((input) => replaced.get(input) as Tensor);
    const replacement = rule(t, inputs);
    changed ||= replacement !== undefined && replacement !== t;
    const copy = () => (changed && t.op.kind !== "leaf" ? node(t.op, inputs, t.attrs, t.shape, t.dtype) : t);
    replaced.set(t, replacement ?? copy());
  }
  return outputs.map((t) => replaced.get(t) as Tensor);
};

/** Replaces fused ops by their expansions, until only primitives and the ops that `keep` names are left. */
export const expand = (outputs: readonly Tensor[], keep: (op: Op) => boolean = () => false): Tensor[] => {
  const isOpen = (t: Tensor) => t.op.expand !== undefined && !keep(t.op);
  let graph = [...outputs];
  while (reachable(graph).some(isOpen))
    graph = rewrite(graph, (t, inputs) => (isOpen(t) ? t.op.expand?.(t, inputs) : undefined));
  return graph;
};
