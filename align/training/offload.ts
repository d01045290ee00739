import {
  compile,
  type Device,
  dispose,
  download,
  evaluate,
  leaves,
  type Program,
  type Tensor,
  type Tree,
  unflatten,
} from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import type { OptimizerState } from "../../optim/optimizer.js";
import type { Objective } from "../objectives/objective.js";
import {
  type Apply,
  judge,
  type Steady,
  type Stepper,
  type StepState,
  type Summed,
  seen,
  update,
  type Verdict,
} from "./step.js";
import { only } from "./workers/shard.js";

/** Computes a tree leaf by leaf and keeps it on the host, as constants. */
export const evaluateToHost = async <T extends Tree>(tree: T, device: Device): Promise<T> => {
  const parts: Tensor[] = [];
  for (const leaf of leaves(tree)) {
    const here = evaluate(leaf, device);
    parts.push(await download(here).finally(() => dispose(here)));
  }
  return unflatten(tree, parts);
};

/** What all parameters share of an optimizer's state. */
type Shared = Pick<OptimizerState<Params>, "step" | "key" | "scalars">;
type Own = Pick<OptimizerState<Params>, "params" | "slots">;

export const mapValues = <A, B>(record: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]));

export const partOf = ({ tau, anchor, masks, spaces, retained }: Steady, names: readonly string[]): Steady => ({
  ...(tau && { tau: only(tau, names) }),
  ...(anchor && { anchor: only(anchor, names) }),
  ...(masks && { masks: mapValues(masks, (tree) => only(tree, names)) }),
  ...(retained && { retained: retained.map((tree) => only(tree, names)) }),
  ...(spaces && {
    spaces: only(
      spaces,
      names.filter((name) => name in spaces),
    ),
  }),
});

/**
 * `compileApply` where slots and what is fixed may lie on the host, as constants: leaf by leaf they are uploaded, the leaf's
 * step is taken, and its slots are read back. On the device are at most two leaves' at a time. A program for each parameter.
 * Law: the bits are those of `compileApply`.
 */
export const compileOffloaded = (
  objective: Objective,
  stepper: Stepper,
  maxGradNorm: number | undefined,
  device: Device,
): Apply => {
  const name = `${objective.name} step`;
  const judged = compile((log: Tensor, summed: Summed) => judge(log, seen(summed), objective, maxGradNorm), device, {
    donate: [0],
    name,
  });
  const compileLeaf = () =>
    compile(
      (own: Own, grads: Params, shared: Shared, verdict: Verdict, lr: Tensor, fixed: Steady): Own => {
        const { params, slots } = update(stepper, { ...shared, ...own }, grads, verdict, { lr, ...fixed });
        return { params, slots };
      },
      device,
      { donate: [0, 1], name },
    );
  /** By name of the parameter, which decides random bits. */
  const leafPrograms = new Map<string, ReturnType<typeof compileLeaf>>();
  const leafProgram = (parameter: string) => {
    const known = leafPrograms.get(parameter) ?? compileLeaf();
    leafPrograms.set(parameter, known);
    return known;
  };
  // An optimizer of no parameters.
  const advance = compile(
    (shared: Shared, verdict: Verdict, lr: Tensor, fixed: Steady): Shared => {
      const { params, slots, ...next } = update(stepper, { ...stepper.optimizer.init({}), ...shared }, {}, verdict, {
        lr,
        ...fixed,
      });
      return next;
    },
    device,
    { donate: [0], name },
  );

  const apply = async (state: StepState, summed: Summed, lr: number, fixed: Steady): Promise<StepState> => {
    const { params, slots, ...shared } = state.optimizer;
    const nextParams: Record<string, Tensor> = {};
    const nextSlots = mapValues(slots, (): Record<string, Tensor> => ({}));
    const { verdict, log } = judged(state.log, summed);
    /** Slots that are on their way; their memory is given back at one place, so that every step meets the same buffers. */
    let arriving: { readonly slots: Own["slots"]; readonly done: Promise<void> } | undefined;
    const collect = async (leaf: string, made: Own["slots"]): Promise<void> => {
      for (const [slot, tree] of Object.entries(await download(made))) nextSlots[slot][leaf] = tree[leaf];
    };
    const arrive = async (coming: typeof arriving): Promise<void> => {
      await coming?.done.finally(() => dispose(coming.slots));
    };
    try {
      for (const leaf of Object.keys(params)) {
        const own = { params: only(params, [leaf]), slots: mapValues(slots, (tree) => only(tree, [leaf])) };
        const grads = only(summed.grads, [leaf]);
        const next = leafProgram(leaf)(own, grads, shared, verdict, lr, partOf(fixed, [leaf]));
        nextParams[leaf] = next.params[leaf];
        // Its slots are on their way while the next leaf is computed; those of the leaf before have come.
        const before = arriving;
        arriving = { slots: next.slots, done: collect(leaf, next.slots) };
        await arrive(before);
      }
      await arrive(arriving);
      const after = advance(shared, verdict, lr, partOf(fixed, []));
      return { optimizer: { ...after, params: nextParams, slots: nextSlots }, log };
    } catch (error) {
      await arrive(arriving).catch(() => {});
      dispose(nextParams, log);
      throw error;
    } finally {
      dispose(verdict, summed);
    }
  };
  const programs = (): readonly Program[] =>
    [judged, advance, ...leafPrograms.values()].flatMap((compiled) => compiled.programs());
  return Object.assign(apply, { programs });
};
