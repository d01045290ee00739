import { isHalf, reachable, sameShape, sizeOf, type Tensor } from "../../core/index.js";
import { type Access, isSeenThrough, isWhole } from "./access/access.js";
import { type Group, halves } from "./halves.js";
import { literalOf } from "./simplify.js";

/** Which pointwise nodes run inside which kernel. */
export interface Fusion {
  /** Pointwise nodes that are computed inside the one step that uses them (a reduction, a copy into a concat or pad). */
  readonly absorbed: ReadonlySet<Tensor>;
  /** The other pointwise nodes, grouped: one map step a group. */
  readonly groups: readonly Group[];
}

const isPointwise = (t: Tensor): boolean => t.op.kind === "pointwise" && t.op.name !== "iota" && !isSeenThrough(t);

/** Is the edge direct: same index space, no view between? */
const isDirect = (input: Tensor, user: Tensor): boolean => isPointwise(input) && sameShape(input.shape, user.shape);

/** The memory that a value is read from. Literals and iotas are none. */
const memoryOf = (x: Tensor, access: (t: Tensor) => Access): Tensor | undefined => {
  if (literalOf(x) !== undefined) return undefined;
  const { base } = access(x);
  return base.op.name === "iota" ? undefined : base;
};

/** Ops whose inputs may be computed on the fly. */
const sinks = new Set(["sum", "max", "concat", "pad"]);

/**
 * What a sink can compute on the fly of the expression that ends in `top`: nodes that nobody else reads, as many as the
 * buffers allow (one is the sink's own). Linear: each edge is met once.
 */
const absorbable = (
  top: Tensor,
  users: ReadonlyMap<Tensor, readonly Tensor[]>,
  isOutput: ReadonlySet<Tensor>,
  access: (t: Tensor) => Access,
  maxBuffers: number,
): ReadonlySet<Tensor> => {
  const inside = new Set<Tensor>();
  const reads = new Map<Tensor, number>(); // memory bases, and how many edges lead there
  const unmet = new Map<Tensor, number>(); // uses of a node that are not inside
  const basesOf = (t: Tensor) => t.inputs.flatMap((x) => (literalOf(x) === undefined ? [access(x).base] : []));
  const read = (base: Tensor, edges: number) => {
    const count = (reads.get(base) ?? 0) + edges;
    if (base.op.name === "iota") return;
    if (count > 0) reads.set(base, count);
    else reads.delete(base);
  };
  const queue = [top];
  for (const t of queue) {
    const own = reads.get(t) ?? 0; // edges from inside, free once t is inside too
    read(t, -own);
    for (const base of basesOf(t)) read(base, 1);
    if (reads.size >= maxBuffers) {
      for (const base of basesOf(t)) read(base, -1);
      read(t, own);
      continue;
    }
    inside.add(t);
    for (const x of t.inputs) {
      const left = (unmet.get(x) ?? users.get(x)?.length ?? 0) - 1;
      unmet.set(x, left);
      if (left === 0 && isDirect(x, t) && !isOutput.has(x)) queue.push(x);
    }
  }
  return inside;
};

/** From so many elements on terms of a sum are worth a kernel each, so that they need not lie there together. */
const LARGE = 2 ** 20;

/** Which pointwise values are sums of products, or of products times something: made as soon as its last product is. */
const sumsOf = (
  users: ReadonlyMap<Tensor, readonly Tensor[]>,
  access: (t: Tensor) => Access,
  epilogue: boolean,
): ((t: Tensor) => boolean) => {
  const isOwn = (x: Tensor): boolean => {
    const seen = access(x);
    return seen.base.op.kind === "matmul" && users.get(seen.base)?.length === 1 && isWhole(seen);
  };
  const isTerm = (x: Tensor): boolean =>
    isOwn(x) || (x.op.name === "mul" && users.get(x)?.length === 1 && x.inputs.some(isOwn));
  return (t) =>
    t.op.name === "add" && t.dtype === "f32" && (epilogue || sizeOf(t.shape) >= LARGE) && t.inputs.some(isTerm);
};

/**
 * Edges of sums of products that no kernel spans: it would wait for the last product while all the others lie there. So each is
 * added as soon as it is made; where products pass through epilogues that takes no launch.
 */
const cutSums = (
  order: readonly Tensor[],
  users: ReadonlyMap<Tensor, readonly Tensor[]>,
  isSum: (t: Tensor) => boolean,
): ReadonlySet<Tensor> => {
  const onlyUser = (x: Tensor): Tensor | undefined => {
    const [user, ...more] = users.get(x) ?? [];
    return user !== undefined && more.length === 0 && sameShape(x.shape, user.shape) ? user : undefined;
  };
  /** Does its run end in 16 bits? No product is written so, so that one would have to lie beside the sum. */
  const endsInHalf = (x: Tensor): boolean => {
    for (let at = onlyUser(x); at !== undefined && isPointwise(at); at = onlyUser(at))
      if (isHalf(at.dtype)) return true;
    return false;
  };
  return new Set(
    order.filter((x) => {
      const user = onlyUser(x);
      return user !== undefined && isSum(x) && (isSum(user) || endsInHalf(x));
    }),
  );
};

/**
 * Groups pointwise nodes into kernels. A node's level is the length of the longest chain of kernels before it; edges
 * inside one index space cost nothing, every other edge costs one. Neighbours of one level form a group, which can
 * therefore never wait for itself.
 */
export const fuse = (
  outputs: readonly Tensor[],
  access: (t: Tensor) => Access,
  maxBuffers: number,
  epilogue: boolean,
): Fusion => {
  const order = reachable(outputs);
  const users = new Map<Tensor, Tensor[]>(order.map((t) => [t, []]));
  for (const t of order) for (const x of t.inputs) users.get(x)?.push(t);
  const isOutput = new Set(outputs);

  const isSum = sumsOf(users, access, epilogue);
  const absorbed = new Set<Tensor>();
  for (const sink of order) {
    if (!sinks.has(sink.op.name)) continue;
    for (const top of sink.inputs)
      if (
        isPointwise(top) &&
        users.get(top)?.length === 1 &&
        !isOutput.has(top) &&
        !(sink.op.name === "concat" && isSum(top))
      )
        for (const t of absorbable(top, users, isOutput, access, maxBuffers)) absorbed.add(t);
  }

  const grouped = order.filter((t) => isPointwise(t) && !absorbed.has(t));
  const isGrouped = new Set(grouped);
  const cut = cutSums(grouped, users, isSum);
  const joins = (x: Tensor, t: Tensor) => isGrouped.has(x) && !cut.has(x) && isDirect(x, t);
  const level = new Map<Tensor, number>();
  const levelOf = (t: Tensor) => level.get(t) ?? 0;
  for (const t of order) {
    const free = isSeenThrough(t) || t.op.kind === "leaf" || absorbed.has(t);
    const member = isGrouped.has(t);
    // What a value costs its reader: values inside a kernel are free, memory comes one level later.
    const cost = (x: Tensor) => levelOf(x) + (member && joins(x, t) ? 0 : isGrouped.has(x) ? 1 : 0);
    const before = t.inputs.reduce((most, x) => Math.max(most, cost(x)), 0);
    level.set(t, member || free ? before : before + 1);
  }
  // A node that only one later kernel reads moves into it: nothing is read back, and no more is written than outputs. Once all such
  // have moved, what nobody reads moves along with an operand, and so what both of them read.
  const isInside = (x: Tensor) => users.get(x)?.every((user) => isGrouped.has(user) && joins(x, user)) === true;
  for (const movesResults of [false, true])
    for (let i = grouped.length - 1; i >= 0; i--) {
      const t = grouped[i];
      const readers = users.get(t) as Tensor[];
      const beside = () => t.inputs.filter((x) => joins(x, t) && isInside(x)).flatMap((x) => users.get(x) as Tensor[]);
      if (readers.length > 0 && isInside(t)) {
        const target = levelOf(readers[0]);
        if (readers.every((user) => levelOf(user) === target)) level.set(t, target);
      } else if (readers.length === 0 && movesResults) level.set(t, Math.max(levelOf(t), ...beside().map(levelOf)));
    }

  const root = new Map<Tensor, Tensor>(grouped.map((t) => [t, t]));
  const find = (t: Tensor): Tensor => {
    let at = t;
    while (root.get(at) !== at) at = root.get(at) as Tensor;
    root.set(t, at);
    return at;
  };
  for (const t of grouped)
    for (const x of t.inputs) if (joins(x, t) && levelOf(x) === levelOf(t)) root.set(find(x), find(t));
  const groups = new Map<Tensor, Tensor[]>();
  for (const t of grouped) {
    const group = groups.get(find(t));
    if (group === undefined) groups.set(find(t), [t]);
    else group.push(t);
  }

  const baseOf = (x: Tensor) => memoryOf(x, access);
  /** What a kernel of these writes, and whether it has buffers for that and for what it reads. */
  const kernelOf = (nodes: readonly Tensor[]) => {
    const inside = new Set(nodes);
    const written = nodes.filter((t) => isOutput.has(t) || users.get(t)?.some((user) => !inside.has(user)));
    const bases = new Set<Tensor | undefined>(nodes.flatMap((t) => t.inputs.filter((x) => !inside.has(x)).map(baseOf)));
    bases.delete(undefined);
    return { written, fits: bases.size + written.length <= maxBuffers };
  };
  const split = (nodes: readonly Tensor[]): Group[] => {
    const { written, fits } = kernelOf(nodes);
    if (nodes.length === 1 || fits) return [{ nodes, written }];
    const { first, rest } = halves({ nodes, written }, baseOf, maxBuffers);
    return [...split(first), ...split(rest)];
  };
  // Numbers made of given ones (a count, a rate, powers of both) wait for nothing: one launch makes them all, if it can.
  const isGiven = ([t]: readonly Tensor[]) => t.shape.length === 0 && levelOf(t) === 0;
  const separate = [...groups.values()];
  const given = separate.filter(isGiven).flat();
  const made = kernelOf(given).fits ? [given, ...separate.filter((nodes) => !isGiven(nodes))] : separate;
  return { absorbed, groups: made.filter(({ length }) => length > 0).flatMap(split) };
};
