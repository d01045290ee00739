import { isFloating, isHalf } from "../dtype.js";
import { substitute } from "../expand.js";
import { withAxisAt } from "../ops/axis.js";
import { capturedBy, evenRow } from "../ops/captured.js";
import { cast } from "../ops/cast.js";
import { placeholder, zeros } from "../ops/leaf.js";
import { variable } from "../ops/marker.js";
import { part, tuple } from "../ops/parts.js";
import { add } from "../ops/pointwise.js";
import type { Shape } from "../shape.js";
import { type Batched, node, reachable, type Tensor } from "../tensor.js";
import { vjpOf } from "../transforms/grad.js";
import { type Body, type LoopAttrs, loopAttrs, loopInputs } from "./attrs.js";
import { buildLoops, planLoops } from "./run.js";
import type { StagedOp } from "./staged.js";

/** The results of a loop node, which are its parts in this order. */
export interface LoopParts {
  /** The last carries. */
  readonly carries: readonly Tensor[];
  readonly made: readonly Tensor[];
  /** The carries before each step, by its row. Like all parts they cost nothing where nothing reads them. */
  readonly history: readonly Tensor[];
}

/** Its results as parts. Rows are written one by one, which 16-bit floats are not: they are stacked as f32. */
const resultsOf = (loop: Tensor): Tensor[] => {
  const { carries, made, length } = loopAttrs(loop);
  const stacked = (t: Tensor, i: number) =>
    part(loop, carries.length + i, { shape: [length, ...t.shape], dtype: isHalf(t.dtype) ? "f32" : t.dtype });
  return [...carries.map((t, i) => part(loop, i, t)), ...[...made, ...carries].map(stacked)];
};

const partsOf = (loop: Tensor): LoopParts => {
  const { carries, made } = loopAttrs(loop);
  const results = resultsOf(loop);
  const rows = [...made, ...carries].map((t, i) => cast(results[carries.length + i], t.dtype));
  return {
    carries: results.slice(0, carries.length),
    made: rows.slice(0, made.length),
    history: rows.slice(made.length),
  };
};

/**
 * A loop over `body`, whose `shared` may be there already, with the tensors of `given` for them; whatever else it captured becomes
 * shared, and rows that it does not read are left out.
 */
export const makeLoop = (
  body: Body,
  init: readonly Tensor[],
  walked: readonly Tensor[],
  given: readonly Tensor[],
  { length, reverse }: Pick<LoopAttrs, "length" | "reverse">,
): Tensor => {
  const outputs = [...body.next, ...body.made];
  const even = new Map(body.rows.flatMap((t, i) => evenRow(t, walked[i])));
  const own = [...body.carries, ...body.rows, ...body.shared];
  const stands = new Map(
    capturedBy([...outputs, ...even.values()], own).map((t) => [t, placeholder(t.shape, t.dtype)]),
  );
  const known = new Map<Tensor, Tensor>([...own.map((t) => [t, t] as const), ...stands]);
  for (const [row, t] of even) known.set(row, stands.get(t) ?? t);
  const closed = substitute(outputs, known);
  const read = new Set(reachable(closed));
  const captured = [...stands].filter(([, stand]) => read.has(stand));
  const [rows, shared] = [body.rows, body.shared].map((some) => some.map((t) => read.has(t)));
  const attrs: LoopAttrs = {
    carries: body.carries,
    rows: body.rows.filter((_, i) => rows[i]),
    shared: [...body.shared.filter((_, i) => shared[i]), ...captured.map(([, stand]) => stand)],
    next: closed.slice(0, body.next.length),
    made: closed.slice(body.next.length),
    length,
    reverse,
  };
  const passed = [...given.filter((_, i) => shared[i]), ...captured.map(([t]) => t)];
  const inputs = [...init, ...walked.filter((_, i) => rows[i]), ...passed];
  return node(loopOp, inputs, attrs as unknown as Record<string, unknown>, [], "f32");
};

const f32 = (t: { readonly shape: Shape }) => ({ shape: t.shape, dtype: "f32" as const });

const loopOp: StagedOp = {
  name: "loop",
  kind: "loop",
  stages: { build: buildLoops, plan: planLoops },
  /**
   * A loop the other way round. It carries the cotangents of the carries, and sums of those of what is shared; it walks the carries
   * before each step, from which it computes the step again.
   */
  vjpOfParts: (cts, inputs, loop, wanted) => {
    const { length, reverse, ...body } = loopAttrs(loop);
    const { carries, rows, made } = body;
    const { walked, shared } = loopInputs(body, inputs);
    const [n, m] = [carries.length, made.length];
    const floats = carries.flatMap((t, i) => (isFloating(t.dtype) ? [i] : []));
    const wantedFrom = (from: number, some: readonly Tensor[]) =>
      some.flatMap((t, i) => (isFloating(t.dtype) && wanted(from + i) ? [i] : []));
    const [ofRows, ofShared] = [wantedFrom(n, walked), wantedFrom(n + rows.length, shared)];
    const own = (t: { readonly shape: Shape; readonly dtype: Tensor["dtype"] }) => placeholder(t.shape, t.dtype);

    const before = carries.map(own);
    const row = rows.map(own);
    const bars = floats.map((i) => own(f32(carries[i])));
    const sums = ofShared.map((i) => own(f32(shared[i])));
    const ctRow = (index: number, t: Tensor) => (cts[index] === undefined ? undefined : own(f32(t)));
    const ofMade = made.map((t, i) => ctRow(n + i, t));
    const ofHistory = carries.map((t, i) => ctRow(n + m + i, t));

    const [vBefore, vRow, vShared] = [before, row, shared].map((some) => some.map(variable));
    const stands = new Map<Tensor, Tensor>();
    [...carries, ...rows, ...body.shared].forEach((t, i) => {
      stands.set(t, [...vBefore, ...vRow, ...vShared][i]);
    });
    const outputs = substitute([...body.next, ...made], stands);
    const pulled = [...floats.map((i) => i), ...made.flatMap((_, i) => (ofMade[i] === undefined ? [] : [n + i]))];
    const found = vjpOf(
      pulled.map((i) => outputs[i]),
      [...bars, ...ofMade.filter((t) => t !== undefined)],
      [...floats.map((i) => vBefore[i]), ...ofRows.map((i) => vRow[i]), ...ofShared.map((i) => vShared[i])],
    );
    const next = floats.map((i, at) => {
      const extra = ofHistory[i];
      return extra === undefined ? found[at] : add(found[at], extra);
    });
    const of = ofRows.map((_, at) => found[floats.length + at]);
    const total = ofShared.map((_, at) => add(sums[at], found[floats.length + ofRows.length + at]));
    const back = partsOf(
      makeLoop(
        {
          carries: [...bars, ...sums],
          rows: [...before, ...row, ...[...ofMade, ...ofHistory].filter((t) => t !== undefined)],
          shared: [],
          next: [...next, ...total],
          made: of,
        },
        [...floats.map((i) => cts[i] ?? zeros(carries[i].shape)), ...ofShared.map((i) => zeros(shared[i].shape))],
        [...partsOf(loop).history, ...walked, ...cts.slice(n, n + m + n).filter((t) => t !== undefined)],
        [],
        { length, reverse: !reverse },
      ),
    );
    const all: (Tensor | null)[] = inputs.map(() => null);
    floats.forEach((i, at) => {
      all[i] = back.carries[at];
    });
    ofRows.forEach((i, at) => {
      all[n + i] = back.made[at];
    });
    ofShared.forEach((i, at) => {
      all[n + rows.length + i] = back.carries[floats.length + at];
    });
    return all;
  },
  /** A loop over steps of all examples. What one step makes differ from example to example differs in the next. */
  batch: (inputs, of, { size, each, graph }) => {
    const { length, reverse, ...body } = loopAttrs(of);
    const { carries, rows, made } = body;
    const given = loopInputs(body, inputs);
    const own = (some: readonly Tensor[], flags: readonly boolean[]): Batched[] =>
      some.map((t, i) => ({
        x: placeholder(flags[i] ? [size, ...t.shape] : t.shape, t.dtype),
        isBatched: flags[i],
      }));
    const flagsOf = (some: readonly Batched[]) => some.map(({ isBatched }) => isBatched);
    const step = (flags: readonly boolean[]): Tensor => {
      const before = own(carries, flags);
      const [row, shared] = [own(rows, flagsOf(given.walked)), own(body.shared, flagsOf(given.shared))];
      const stands = new Map(
        [...carries, ...rows, ...body.shared].map((t, i) => [t, [...before, ...row, ...shared][i]]),
      );
      const after = graph([...body.next, ...made], stands, true);
      const grown = flags.map((flag, i) => flag || after[i].isBatched);
      if (grown.some((flag, i) => flag !== flags[i])) return step(grown);
      const as = (some: Batched, flag: boolean): Tensor => (flag ? each(some) : some.x);
      const xs = (some: readonly Batched[]) => some.map(({ x }) => x);
      const inFront = given.walked.map(({ x, isBatched }) => (isBatched ? withAxisAt(x, 0, 1) : x));
      const loop = makeLoop(
        {
          ...{ carries: xs(before), rows: xs(row), shared: xs(shared), made: xs(after.slice(carries.length)) },
          next: flags.map((flag, i) => as(after[i], flag)),
        },
        given.init.map((some, i) => as(some, flags[i])),
        inFront,
        xs(given.shared),
        { length, reverse },
      );
      const isBatched = [...flags, ...flagsOf(after.slice(carries.length)), ...flags];
      return tuple(
        resultsOf(loop).map((x, i) =>
          each({ x: isBatched[i] && i >= carries.length ? withAxisAt(x, 0, 1) : x, isBatched: isBatched[i] }),
        ),
      );
    };
    return step(flagsOf(given.init));
  },
  remake: (t, inputs, rewrite) => {
    const attrs = loopAttrs(t);
    const before = [...attrs.next, ...attrs.made];
    const after = rewrite(before);
    if (after.every((x, i) => x === before[i])) return undefined;
    const [next, made] = [after.slice(0, attrs.next.length), after.slice(attrs.next.length)];
    const { init, walked, shared } = loopInputs(attrs, inputs);
    return makeLoop({ ...attrs, next, made }, init, walked, shared, attrs);
  },
};

/** Runs a step `length` times, from the first row or from the last. */
export const loop = (
  body: Body,
  init: readonly Tensor[],
  walked: readonly Tensor[],
  options: Pick<LoopAttrs, "length" | "reverse">,
): LoopParts => partsOf(makeLoop(body, init, walked, [], options));
