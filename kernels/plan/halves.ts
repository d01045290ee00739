import type { Tensor } from "../../core/index.js";

/** Nodes that one map step computes, in creation order, and those of them that others read. */
export interface Group {
  readonly nodes: readonly Tensor[];
  readonly written: readonly Tensor[];
}

/** Nodes of a group, what each written one needs right before it. */
const byNeed = (nodes: readonly Tensor[], written: readonly Tensor[]): Tensor[] => {
  const left = new Set(nodes);
  const order: Tensor[] = [];
  const visit = (t: Tensor): void => {
    if (!left.delete(t)) return;
    for (const x of t.inputs) visit(x);
    order.push(t);
  };
  for (const t of written) visit(t);
  return order;
};

/** Edges, counted by the memory they lead to. */
const edgeCounts = () => {
  const edges = new Map<Tensor, number>();
  return {
    add: (to: Tensor, more: number) => {
      const count = (edges.get(to) ?? 0) + more;
      if (count === 0) edges.delete(to);
      else edges.set(to, count);
    },
    bases: () => edges.size,
  };
};

/**
 * Cuts a group that touches too many buffers in two; the first part never needs the second. What passes from one to the other
 * is memory as large as the whole, so as little as can be does: of all places to cut, in either order of what is written, the
 * first part fits, the second too if it can, and then the fewest values pass. Linear: one node after the other goes over.
 */
export const halves = (
  { nodes, written }: Group,
  baseOf: (x: Tensor) => Tensor | undefined,
  maxBuffers: number,
): { readonly first: readonly Tensor[]; readonly rest: readonly Tensor[] } => {
  const group = new Set(nodes);
  const own = new Set(written);
  const loads = new Map(nodes.map((t) => [t, t.inputs.flatMap((x) => (group.has(x) ? [] : (baseOf(x) ?? [])))]));
  const loadsOfNode = (t: Tensor) => loads.get(t) as readonly Tensor[];
  let best = { first: nodes.slice(0, nodes.length >> 1), cost: Number.POSITIVE_INFINITY };
  for (const tops of [written, [...written].reverse()]) {
    const order = byNeed(nodes, tops);
    const [firstReads, restReads] = [edgeCounts(), edgeCounts()];
    for (const t of order) for (const base of loadsOfNode(t)) firstReads.add(base, 1);
    const readers = new Map<Tensor, number>(); // of a value of the first part, in the second
    const passing = new Set<Tensor>(); // what is read there, and not written anyway
    let ownOfRest = 0;
    for (let at = order.length - 1; at > 0; at--) {
      const t = order[at];
      if (own.has(t)) ownOfRest++;
      passing.delete(t);
      restReads.add(t, -(readers.get(t) ?? 0));
      for (const base of loadsOfNode(t)) {
        firstReads.add(base, -1);
        restReads.add(base, 1);
      }
      for (const x of t.inputs) {
        if (!group.has(x)) continue;
        readers.set(x, (readers.get(x) ?? 0) + 1);
        restReads.add(x, 1);
        if (!own.has(x)) passing.add(x);
      }
      if (at > 1 && firstReads.bases() + own.size - ownOfRest + passing.size > maxBuffers) continue;
      const restFits = restReads.bases() + ownOfRest <= maxBuffers;
      // A part more costs more than any value that passes; a short first part leaves most to the others.
      const cost = passing.size + (restFits ? 0 : nodes.length * (2 - at / order.length));
      if (cost < best.cost) best = { first: order.slice(0, at), cost };
    }
  }
  const first = new Set(best.first);
  return { first: nodes.filter((t) => first.has(t)), rest: nodes.filter((t) => !first.has(t)) };
};
