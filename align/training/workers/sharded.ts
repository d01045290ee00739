import {
  compile,
  type Device,
  dispose,
  namedLeaves,
  read,
  reshape,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
  type Told,
  tensor,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import type { OptimizerState } from "../../../optim/optimizer.js";
import type { Objective } from "../../objectives/objective.js";
import { partOf } from "../offload.js";
import {
  type Apply,
  judge,
  type Steady,
  type Stepper,
  type StepState,
  type Summed,
  update,
  type Verdict,
} from "../step.js";
import { only, type Shard } from "./shard.js";
import { spread } from "./spread.js";
import type { Sums } from "./sums.js";
import { gathered, summed as summedOver, type Workers } from "./workers.js";

/** Computes gradients and totals in parts, which tell of what is final once there are so many bytes. */
export type Computing = (bytes: number) => Generator<Told, Summed>;

const GRADS = "grads.";

/**
 * Gradients and totals of all ranks: each gradient at its owner, summed while later ones are computed. With several batches a step
 * the last one's are final alone.
 */
export const summedOverRanks = async (compute: Computing, sums: Sums, workers: Workers): Promise<Summed> => {
  const summing = sums.begin("its gradients");
  const met: Tensor[] = [];
  const told = (some: Told): Promise<void> => {
    met.push(...some.map(([, leaf]) => leaf));
    return summing.told(
      some.flatMap(([path, leaf]) => (path.startsWith(GRADS) ? [[path.slice(GRADS.length), leaf] as const] : [])),
    );
  };
  const run = compute(sums.bytes);
  try {
    let part = run.next();
    for (; part.done !== true; part = run.next()) await told(part.value);
    await told(namedLeaves(part.value));
    const grads = await summing.end();
    const { totals } = part.value;
    const all = await summedOver(workers, "the totals", await read(totals));
    dispose(totals);
    return { grads, totals: tensor(all, totals.shape, "f32") };
  } catch (error) {
    await summing.release();
    dispose(met);
    throw error;
  } finally {
    run.return(undefined as never);
  }
};

/**
 * `compileApply` over several ranks, each of which keeps moments, τ and other slots of its own parameters alone (ZeRO-1): of
 * gradients it is given the sums of its own, takes their step, and the new weights go to all. Clipping goes by the norm of all gradients.
 * Laws: one rank's is `compileApply`; ranks change a sum's order, and nothing else. Source: Rajbhandari et al. 2020.
 */
export const compileSharded = (
  objective: Objective,
  stepper: Stepper,
  maxGradNorm: number | undefined,
  device: Device,
  workers: Workers,
  shard: Shard,
): Apply => {
  const name = `${objective.name} step`;
  const squaresOf = compile(
    (grads: Params) => stack(Object.keys(grads).map((leaf) => reshape(sum(square(grads[leaf])), []))),
    device,
    { name },
  );
  const judged = compile(
    (log: Tensor, totals: Tensor, squares: Tensor) =>
      judge(log, { norm: sqrt(sum(squares)), totals }, objective, maxGradNorm),
    device,
    { donate: [0], name },
  );
  const stepped = compile(
    (own: OptimizerState<Params>, grads: Params, verdict: Verdict, lr: Tensor, fixed: Steady) =>
      update(stepper, own, grads, verdict, { lr, ...fixed }),
    device,
    { donate: [0, 1], name },
  );

  /** Σg² of every parameter, wherever it is kept, in the order of all. */
  const squares = async (grads: Params, names: readonly string[]): Promise<Tensor> => {
    const here = shard.own.length === 0 ? undefined : squaresOf(grads);
    const own = here === undefined ? [] : Array.from(await read(here).finally(() => dispose(here)));
    const place = new Map(shard.own.map((leaf, i) => [leaf, own[i]]));
    const all = await gathered(
      workers,
      "the gradients' norms",
      names.map((leaf) => place.get(leaf) ?? 0),
    );
    return tensor(Float64Array.from(names, (leaf, i) => all[shard.ownerOf(leaf)][i]));
  };

  const apply = async (state: StepState, { grads, totals }: Summed, lr: number, fixed: Steady): Promise<StepState> => {
    const { params, slots, ...common } = state.optimizer;
    const names = Object.keys(params);
    const { verdict, log } = judged(state.log, totals, await squares(grads, names));
    try {
      const mine = { ...common, slots, params: only(params, shard.own) };
      const next = stepped(mine, grads, verdict, lr, partOf(fixed, shard.own));
      return {
        optimizer: { ...next, params: await spread(params, next.params, "the weights", { workers, shard }, device) },
        log,
      };
    } finally {
      dispose(verdict);
    }
  };
  return Object.assign(apply, {
    programs: () => [squaresOf, judged, stepped].flatMap((compiled) => compiled.programs()),
  });
};
