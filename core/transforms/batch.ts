import { isFloating } from "../dtype.js";
import { loop } from "../loops/loop.js";
import { broadcastTo, sum } from "../ops/broadcast.js";
import { placeholder } from "../ops/leaf.js";
import { part, partsIn, resolved, tuple } from "../ops/parts.js";
import { type Batched, type Batching, node, type Op, type OpKind, reachable, type Tensor } from "../tensor.js";

/** Takes the inputs of an op and gives its value, [B, …]. */
type Rule = (...of: Parameters<NonNullable<Op["batch"]>>) => Tensor;

/** A function of tensors, done for a batch. Of `isClosed` functions no result depends on anything but what they are given. */
const over = (
  f: (given: readonly Tensor[]) => readonly Tensor[],
  given: readonly Batched[],
  { graph }: Batching,
  isClosed: boolean,
): Batched[] => {
  const own = given.map(({ x, isBatched }) => placeholder(isBatched ? x.shape.slice(1) : x.shape, x.dtype));
  return graph(f(own), new Map(own.map((t, i) => [t, given[i]])), isClosed);
};

/** A closure stays one: it is opened, and differentiated by its own rule, for all examples at once. */
const closure: Rule = (inputs, of, batching) => {
  const { each } = batching;
  const { op } = of;
  const flags = inputs.map(({ isBatched }) => isBatched);
  const withFlags = (xs: readonly Tensor[]): Batched[] => xs.map((x, i) => ({ x, isBatched: flags[i] }));
  const all = (x: Tensor): Batched => ({ x, isBatched: true });
  /** Cotangents by example; those of what examples share are added up. */
  const pull = (
    cts: readonly Tensor[],
    given: readonly Tensor[],
    rule: (cts: readonly Tensor[], given: readonly Tensor[]) => readonly (Tensor | null)[],
  ): (Tensor | null)[] => {
    let found: readonly (Tensor | null)[] = [];
    const results = over(
      (own) => {
        found = rule(own.slice(0, cts.length), own.slice(cts.length));
        return found.filter((t) => t !== null);
      },
      [...cts.map(all), ...withFlags(given)],
      batching,
      false,
    );
    return found.map((t, i) => {
      const result = t === null ? undefined : results.shift();
      if (result === undefined || !isFloating(given[i].dtype)) return null;
      return flags[i] ? each(result) : sum(each(result), 0);
    });
  };
  const batched: Op = {
    ...{ name: op.name, kind: op.kind },
    expand: (_, given) => {
      let isTuple = false;
      const open = (own: readonly Tensor[]): readonly Tensor[] => {
        const result = op.expand?.(of, own) as Tensor;
        isTuple = partsIn(result) !== undefined;
        return partsIn(result) ?? [result];
      };
      const results = over(open, withFlags(given), batching, false).map(each);
      return isTuple ? tuple(results) : results[0];
    },
    vjp: (ct, given) => pull([ct], given, ([one], own) => op.vjp?.(one, own, of) ?? own.map(() => null)),
    vjpOfParts: (cts, given, _, wanted) => {
      const there = cts.flatMap((ct, i) => (ct === undefined ? [] : [i]));
      return pull(
        there.map((i) => cts[i] as Tensor),
        given,
        (some, own) => {
          const sparse: (Tensor | undefined)[] = [];
          there.forEach((i, at) => {
            sparse[i] = some[at];
          });
          return op.vjpOfParts?.(sparse, own, of, wanted) ?? own.map(() => null);
        },
      );
    },
  };
  const shape = of.op.vjpOfParts === undefined ? [batching.size, ...of.shape] : of.shape;
  return node(
    batched,
    inputs.map(({ x }) => x),
    of.attrs,
    shape,
    of.dtype,
  );
};

/** One example after the other, in a loop. */
const oneByOne: Rule = (inputs, of, { size }) => {
  const own = inputs.map(({ x, isBatched }, i) => (isBatched ? placeholder(of.inputs[i].shape, x.dtype) : x));
  const walked = (of: readonly Tensor[]) => of.filter((_, i) => inputs[i].isBatched);
  const made = [node(of.op, own, of.attrs, of.shape, of.dtype)];
  const body = { carries: [], rows: walked(own), shared: [], next: [], made };
  return loop(body, [], walked(inputs.map(({ x }) => x)), { length: size, reverse: false }).made[0];
};

/** How ops without a rule of their own are batched. */
const byKind: Partial<Record<OpKind, Rule>> = {
  pointwise: (inputs, of, { size, each }) => node(of.op, inputs.map(each), of.attrs, [size, ...of.shape], of.dtype),
  marker: ([first, ...others], of, { size, each }) =>
    node(of.op, [each(first), ...others.map(({ x }) => x)], of.attrs, [size, ...of.shape], of.dtype),
  fused: (inputs, of, batching) =>
    batching.each(over((own) => [of.op.expand?.(of, own) as Tensor], inputs, batching, true)[0]),
  part: ([{ x }], of, { size }) =>
    resolved(of, [x]) ?? part(x, of.attrs.index as number, { shape: [size, ...of.shape], dtype: of.dtype }),
  closure,
};

/**
 * The graph of one example, done for a batch of `size`: `stands` says what stands for its tensors. Rules lie beside definitions
 * and gradients in the ops' records (`Op.batch`), or go by the kind of op.
 */
export const batchGraph = (
  outputs: readonly Tensor[],
  size: number,
  stands: ReadonlyMap<Tensor, Batched>,
  outer: (t: Tensor) => Batched | undefined = outside(stands),
): Batched[] => {
  const found = new Map(stands);
  const known = (t: Tensor): Batched | undefined => found.get(t) ?? outer(t);
  const batching: Batching = {
    size,
    each: ({ x, isBatched }) => (isBatched ? x : broadcastTo(x, [size, ...x.shape])),
    graph: (tops, own, isClosed) => batchGraph(tops, size, own, isClosed ? () => undefined : known),
  };
  for (const t of reachable(outputs, { has: (t) => known(t) !== undefined })) {
    const inputs = t.inputs.map((x) => known(x) as Batched);
    const isBatched = inputs.some((input) => input.isBatched);
    const isSame = inputs.every(({ x }, i) => x === t.inputs[i]);
    const x = isBatched
      ? (t.op.batch?.(inputs, t, batching) ?? (byKind[t.op.kind] ?? oneByOne)(inputs, t, batching))
      : isSame
        ? t
        : node(
            t.op,
            inputs.map((input) => input.x),
            t.attrs,
            t.shape,
            t.dtype,
          );
    found.set(t, { x, isBatched });
  }
  return outputs.map((t) => known(t) as Batched);
};

/** What was there before the first of the examples' tensors is the same for all. */
const outside = (stands: ReadonlyMap<Tensor, Batched>): ((t: Tensor) => Batched | undefined) => {
  const first = [...stands.keys()].reduce((least, { id }) => Math.min(least, id), Number.POSITIVE_INFINITY);
  return (t) => (t.id < first ? { x: t, isBatched: false } : undefined);
};
