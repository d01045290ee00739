import {
  compile,
  type Device,
  dispose,
  read,
  reshape,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
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
import { reduced, type Sharing, spread } from "./reduce.js";
import { only } from "./shard.js";
import type { Floats } from "./wire.js";
import { gathered, summed as summedOver } from "./workers.js";

/**
 * `compileApply` over several ranks, each of which keeps moments, τ and other slots of its own parameters alone (ZeRO-1): gradients
 * are summed at their owners, who take the step, and the new weights go to all. Clipping goes by the norm of all gradients.
 * Laws: one rank's is `compileApply`; ranks change a sum's order, and nothing else. Source: Rajbhandari et al. 2020.
 */
export const compileSharded = (
  objective: Objective,
  stepper: Stepper,
  maxGradNorm: number | undefined,
  device: Device,
  sharing: Sharing,
): Apply => {
  const { workers, shard } = sharing;
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
    const sums = tensor(await summedOver(workers, "the totals", (await read(totals)) as Floats), totals.shape, "f32");
    dispose(totals);
    const own = await reduced(grads, "its gradients", sharing, device);
    const { verdict, log } = judged(state.log, sums, await squares(own, names));
    try {
      const mine = { ...common, slots, params: only(params, shard.own) };
      const next = stepped(mine, own, verdict, lr, partOf(fixed, shard.own));
      return { optimizer: { ...next, params: await spread(params, next.params, "the weights", sharing, device) }, log };
    } finally {
      dispose(verdict);
    }
  };
  return Object.assign(apply, {
    programs: () => [squaresOf, judged, stepped].flatMap((compiled) => compiled.programs()),
  });
};
