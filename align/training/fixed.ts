import { type Device, dispose, evaluateEach, InputError, leaves, type Tensor, upload } from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import type { Optimizer } from "../../optim/optimizer.js";
import { beginnings } from "./following.js";
import { evaluateToHost } from "./offload.js";
import type { TrainOptions, TrainSnapshot } from "./options.js";
import { borrowed } from "./reference.js";
import { noneRetained } from "./retained/retain.js";
import { type Fixed, noTotals, type TrainState } from "./step.js";
import { only, partOfState, type Shard } from "./workers/shard.js";
import type { Team } from "./workers/team.js";

/** What the run begins with, made leaf by leaf; its buffers are the run's own. */
export const beginning = async (
  options: TrainOptions,
  { shard, meets }: Pick<Team, "shard" | "meets">,
  device: Device,
): Promise<TrainSnapshot> => {
  const { optimizer, objective, params, seed = 0, resume, offload = "none" } = options;
  const own = { optimizer: optimizer.init(params, { seed }), log: noTotals(objective) };
  const { retain } = options;
  const retained = retain && { retained: noneRetained(retain, params) };
  const begun = (all: boolean): TrainState => {
    const met = meets && { meeting: meets.initial(own.optimizer.params, all) };
    const state = { ...own, ...beginnings(options), ...retained, ...met };
    return shard === undefined || all ? state : partOfState(state, shard);
  };
  const asked =
    resume && (await (meets === undefined ? resume(begun(false), begun(true)) : meets.resumed(resume, begun)));
  const snapshot = asked ?? { step: 0, batches: 0, tokens: 0, state: begun(false) };
  const place = resume === undefined ? evaluateEach : upload;
  if (offload === "none") return { ...snapshot, state: place(snapshot.state, device) };
  const { slots, ...rest } = snapshot.state.optimizer;
  const onHost = resume === undefined ? await evaluateToHost(slots, device) : slots;
  const placed = place({ ...snapshot.state, optimizer: { ...rest, slots: {} } }, device);
  return { ...snapshot, state: { ...placed, optimizer: { ...placed.optimizer, slots: onHost } } };
};

/**
 * What the optimizer looks at in every step, made leaf by leaf, on the device or where `offload` says so on the host;
 * `release` frees what is the run's own.
 */
export const fixedInputs = async (
  options: TrainOptions,
  shard: Shard | undefined,
  key: Tensor,
  device: Device,
): Promise<{ fixed: Fixed; release: () => void }> => {
  const { optimizer, refDelta, anchor = options.params, gradientMask, offload = "none" } = options;
  if (optimizer.usesTau && refDelta === undefined)
    throw new InputError(`${optimizer.name} merges with a reference delta; name a base model to take it from`);
  if (optimizer.usesMask && gradientMask === undefined)
    throw new InputError(`${optimizer.name} needs a mask of the gradient; estimate one with fisherMask`);
  const releases: (() => void)[] = [];
  const mine = (tree: Params): Params => {
    if (shard === undefined) return tree;
    return only(
      tree,
      shard.own.filter((name) => name in tree),
    );
  };
  const borrow = (tree: Params) => {
    if (offload === "optimizer") return tree;
    const here = borrowed(mine(tree), device);
    releases.push(here.release);
    return here.tree;
  };
  const prepared = optimizer.usesTau ? optimizer.prepare(mine(refDelta as Params), key) : undefined;
  const tau = prepared && (await (offload === "optimizer" ? evaluateToHost : evaluateEach)(prepared, device));
  return {
    fixed: {
      ...(tau && { tau }),
      ...(optimizer.usesAnchor && { anchor: borrow(anchor) }),
      ...(options.spaces && { spaces: borrow(options.spaces) }),
      ...(optimizer.usesMask && { masks: { gradient: borrow(gradientMask as Params) } }),
    },
    release: () => {
      if (tau !== undefined) dispose(tau);
      for (const give of releases) give();
    },
  };
};

/** The weights to hand out: the average that follows them, or fresh where the optimizer averages, made only when asked for. */
export const reported = ({ report }: Optimizer, state: TrainState, device: Device) => {
  let average: Params | undefined;
  return {
    params: (): Params => {
      if (state.average !== undefined) return state.average.weights;
      if (report === undefined) return state.optimizer.params;
      average ??= evaluateEach(report(state.optimizer), device);
      return average;
    },
    release: () => {
      if (average !== undefined) dispose(average);
    },
  };
};

/** All buffers of a state but those that were handed out. */
export const without = (state: TrainState, handedOut: Params | undefined): Tensor[] => {
  const given = new Set(leaves(handedOut ?? {}));
  return leaves(state).filter((t) => !given.has(t));
};
