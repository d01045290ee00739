import type { Graph } from "../device.js";
import { substitute } from "../expand.js";
import { isFree, isLook } from "../ops/captured.js";
import { full, placeholder, zeros } from "../ops/leaf.js";
import { indexOf, partOp } from "../ops/parts.js";
import { reachable, type Tensor } from "../tensor.js";
import { loopAttrs, loopInputs } from "./attrs.js";
import { type Step, stepOf } from "./step.js";

/** A loop after the program that computes what it begins with. */
export interface LoopRun {
  readonly step: Step["graph"];
  readonly length: number;
  /** How much state there is; the program before gives it. */
  readonly state: number;
  /** What every step reads. */
  readonly reads: readonly Tensor[];
  /** The value that each piece of state is in the end, if any. */
  readonly gives: readonly (Tensor | undefined)[];
}

/** A program, and the loops over what it computes. */
export interface Stage {
  readonly graph: Graph;
  /** The values that are its inputs. */
  readonly sources: readonly Tensor[];
  /** Its outputs are results of the whole, by position, then these values, then the state of each loop. */
  readonly results: readonly number[];
  readonly values: readonly Tensor[];
  readonly loops: readonly LoopRun[];
  /** Values that nothing reads after the loops. What nothing reads after the program is donated to it. */
  readonly over: readonly Tensor[];
}

/** The tensor that lies in memory as this one does: reshaped, if at all. */
const unshaped = (t: Tensor): Tensor => {
  let at = t;
  while (at.op.name === "reshape") at = at.inputs[0];
  return at;
};

/**
 * A graph with loops as programs without any, and loops between them. A value is an input of the whole, a result of a loop, or
 * what one program computes for a later one; views are made anew where they are read.
 */
export const split = ({ inputs, outputs, donated = [] }: Graph): Stage[] => {
  const order = reachable(outputs);
  const level = new Map<Tensor, number>();
  for (const t of order) {
    const most = t.inputs.reduce((max, x) => Math.max(max, level.get(x) as number), 0);
    level.set(t, most + (t.op === partOp ? 1 : 0));
  }
  const levelOf = (t: Tensor): number => level.get(t) as number;
  const depth = order.reduce((max, t) => Math.max(max, levelOf(t)), 0);
  const given = new Set(inputs);
  const away = new Set(donated.map((i) => inputs[i]));

  /** Of parts that are one result of one loop the first. */
  const same = new Map<Tensor, Tensor>();
  const partsOf = new Map<Tensor, (Tensor | undefined)[]>();
  for (const t of order) {
    if (t.op !== partOp) continue;
    const known = partsOf.get(t.inputs[0]) ?? [];
    known[indexOf(t)] ??= t;
    same.set(t, known[indexOf(t)] as Tensor);
    partsOf.set(t.inputs[0], known);
  }
  const isThere = (t: Tensor): boolean => given.has(t) || t.op === partOp;

  const kept = Array.from({ length: depth + 1 }, () => new Set<Tensor>());
  const lastRead = new Map<Tensor, number>();
  const read = (t: Tensor, moment: number): void => {
    lastRead.set(t, Math.max(lastRead.get(t) ?? 0, moment));
  };
  const stages: (Omit<Stage, "graph" | "over"> & { readonly targets: readonly Tensor[] })[] = [];
  for (let k = depth; k >= 0; k--) {
    const fresh: Tensor[] = [];
    const loops = order
      .filter((t) => t.op.kind === "loop" && levelOf(t) === k)
      .map((t): LoopRun => {
        const attrs = loopAttrs(t);
        const some = partsOf.get(t) ?? [];
        const step = stepOf(attrs, (index) => some[index] !== undefined);
        const { init, walked, shared } = loopInputs(attrs, t.inputs);
        const reads = [...walked, ...shared].map((x) => {
          const whole = unshaped(x);
          const value = same.get(whole) ?? whole;
          if (!isThere(value)) kept[isFree(value) ? k : levelOf(value)].add(value);
          read(value, 2 * k + 1);
          return value;
        });
        const tables = step.graph.inputs.slice(1 + init.length, 1 + init.length + step.tables.length);
        const first = full([1], attrs.reverse ? attrs.length - 1 : 0, "i32");
        const state = [first, ...init, ...tables.map(({ shape, dtype }) => zeros(shape, dtype))];
        fresh.push(...state);
        const gives = [undefined, ...init.map((_, i) => some[i]), ...step.tables.map((index) => some[index])];
        return { step: step.graph, length: attrs.length, state: state.length, reads, gives };
      });
    const results = outputs.flatMap((t, i) => ((given.has(t) ? depth : levelOf(t)) === k ? [i] : []));
    const values = [...kept[k]];
    const targets = [...results.map((i) => outputs[i]), ...values, ...fresh];

    const sources = new Set<Tensor>();
    const seen = new Set(targets);
    for (const t of seen) {
      const isFromBefore = (level.get(t) ?? k) < k && !isLook(t) && !isFree(t);
      if (isThere(t)) sources.add(same.get(t) ?? t);
      else if (isFromBefore) {
        kept[levelOf(t)].add(t);
        sources.add(t);
      } else for (const x of t.inputs) seen.add(x);
    }
    for (const t of sources) read(t, 2 * k);
    stages.unshift({ targets, sources: [...sources], results, values, loops });
  }
  return stages.map(({ targets, ...stage }, k): Stage => {
    const { sources } = stage;
    const stands = new Map(sources.map((t) => [t, given.has(t) ? t : placeholder(t.shape, t.dtype)]));
    const isGivenAway = (t: Tensor) => (given.has(t) ? k === depth && away.has(t) : true) && lastRead.get(t) === 2 * k;
    const graph: Graph = {
      inputs: [...stands.values()],
      donated: sources.flatMap((t, i) => (isGivenAway(t) ? [i] : [])),
      outputs: substitute(targets, withAll(stands, same)),
    };
    const over = [...lastRead].flatMap(([t, moment]) => (moment === 2 * k + 1 ? [t] : []));
    return { ...stage, graph, over };
  });
};

/** What stands for a value stands for all parts that are this value. */
const withAll = (stands: ReadonlyMap<Tensor, Tensor>, same: ReadonlyMap<Tensor, Tensor>): Map<Tensor, Tensor> => {
  const all = new Map(stands);
  for (const [t, value] of same) {
    const stand = stands.get(value);
    if (stand !== undefined) all.set(t, stand);
  }
  return all;
};
