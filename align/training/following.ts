import { compile, type Device, InputError, type Program, type Tensor } from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { begun, type Followed, type Follower, moved } from "../../optim/follow/follow.js";
import type { Scalars } from "../../optim/rule.js";
import type { Objective } from "../objectives/objective.js";
import type { TrainOptions } from "./options.js";
import type { Weights } from "./reference.js";
import { kept, type TrainState } from "./step.js";

/** Who follows a run, by its place in the state. */
type Follows = Pick<TrainOptions, "average" | "referenceFollows">;

/** Where followers begin: the average at the weights, the reference at its own. */
export const beginnings = ({
  average,
  referenceFollows,
  params,
  reference,
}: Follows & Pick<TrainOptions, "params" | "reference">): Pick<TrainState, "average" | "reference"> => ({
  ...(average && { average: begun(average, params) }),
  ...(referenceFollows && { reference: begun(referenceFollows.by, (reference as Weights).params) }),
});

/** Errors: InputError for a reference that is to move, and is not asked; for two averages. */
export const checkFollows = ({ average, referenceFollows, reference, optimizer, objective }: TrainOptions): void => {
  if (average !== undefined && optimizer.report !== undefined)
    throw new InputError(
      `${optimizer.name} hands out an average of its own, and ${average.name} would be a second one`,
    );
  if (referenceFollows === undefined) return;
  if (!objective.usesReference || reference === undefined)
    throw new InputError(`${objective.name}: ${referenceFollows.by.name} moves the reference model, and there is none`);
  if (referenceFollows.of === "average" && average === undefined)
    throw new InputError(`${referenceFollows.by.name}: the reference is to follow an average, and none is kept`);
};

/** Moves what follows a run. */
export interface Following {
  /** The state after a step, with what follows moved where it is time. What moves is donated. */
  readonly move: (state: TrainState, step: number) => TrainState;
  readonly programs: () => readonly Program[];
}

/** One program for each follower. After a step that was not finite nothing moves. */
export const following = (objective: Objective, { average, referenceFollows }: Follows, device: Device): Following => {
  const compiled = (follower: Follower) =>
    compile(
      (before: Followed<Params>, params: Params, by: Scalars, log: Tensor): Followed<Params> =>
        kept(log, objective, moved(follower, before, params, by), before),
      device,
      { donate: [0], name: follower.name },
    );
  const place = (follower: Follower | undefined) => follower && { follower, program: compiled(follower) };
  const [averaging, moving] = [place(average), place(referenceFollows?.by)];
  const after = (
    placed: ReturnType<typeof place>,
    before: Followed<Params> | undefined,
    params: Params,
    log: Tensor,
    step: number,
  ): Followed<Params> | undefined => {
    const by = placed?.follower.moveAt(step);
    return placed === undefined || by === undefined
      ? before
      : placed.program(before as Followed<Params>, params, by, log);
  };
  return {
    move: (state, step) => {
      const { optimizer, log } = state;
      const next = after(averaging, state.average, optimizer.params, log, step);
      const towards = referenceFollows?.of === "average" ? (next as Followed<Params>).weights : optimizer.params;
      const reference = after(moving, state.reference, towards, log, step);
      return { ...state, ...(next && { average: next }), ...(reference && { reference }) };
    },
    programs: () => [averaging, moving].flatMap((placed) => placed?.program.programs() ?? []),
  };
};
