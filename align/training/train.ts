import { expects } from "../../core/expects.js";
import { type Device, dispose, type HostData, InputError, read, scalar } from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { schedule } from "../../optim/schedule.js";
import { grouped } from "../data/groups.js";
import type { TrainingBatch } from "../data/rows.js";
import { beginning, fixedInputs, reported, without } from "./fixed.js";
import { checkFollows, following } from "./following.js";
import { type FailedStep, notFinite } from "./not-finite.js";
import type { Position, TrainOptions, TrainSnapshot } from "./options.js";
import { feeder } from "./reference.js";
import { checkRetain, checkSpaces, retaining, retaken } from "./retained/retain.js";
import { type Carry, compileGradients, logged, noTotals, type Summed, type TrainState, unfailed } from "./step.js";
import { allWhole, counted, teamOf, wholeBatches } from "./workers/team.js";
import { ALONE } from "./workers/workers.js";

/**
 * One logged line: step, loss (mean since the last record), grad_norm (before clipping) and learning_rate of this step,
 * epoch where batches tell it, num_tokens read so far, and the objective's metrics (since the last record).
 */
export type StepRecord = { readonly step: number; readonly loss: number } & Readonly<Record<string, number>>;

/** A step that was taken. */
export interface TrainStep {
  /** From 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Tokens that went through the model in this step, padding included. */
  readonly tokens: number;
  /** Only at logged steps. */
  readonly record: StepRecord | undefined;
  /** The weights after the step, or their average if one is kept; valid until the next step is asked for. */
  readonly params: Params;
  /** The reference's weights after the step, where they move; valid as long. */
  readonly reference?: Params;
  /** All that it takes to go on from here; valid as long. Waits for the step. */
  readonly snapshot: () => Promise<TrainSnapshot>;
}

/** Between logs the loop waits, every so many steps, for the step that many before: no queue grows without bound. */
const IN_FLIGHT = 4;

/**
 * Trains: an async generator of steps that returns the final weights, which are then the caller's (`lastOf` runs it to its
 * end). Leaving it early frees everything. Gradients are a program for each shape of batch, clipping and optimizer another
 * one; the state is updated in place; nothing is read back but the logged numbers (and what `offload` sends to the host).
 * A step's loss is the mean over all units (pairs, target tokens) of its batches, however they are cut.
 * Law: from a step's snapshot, and the batches after it, come the bits that would have come anyway.
 * Errors: InputError for missing reference or refDelta, for batches without anything to learn, and for a step whose loss or
 * gradients are not finite: it does not touch the weights, and is found at the latest 2 · 4 steps later.
 */
export async function* train(options: TrainOptions, device: Device): AsyncGenerator<TrainStep, Params> {
  expects("train", "record device", options, device);
  const { objective, optimizer, steps, learningRate, accumulation = 1, maxGradNorm = 1, loggingSteps = 1 } = options;
  const { scheduler: name = "constant", warmupSteps, minRatio, schedulerOptions: kwargs } = options;
  const factor = schedule({ name, warmupSteps, totalSteps: steps, minRatio, kwargs, learningRate });
  const logs = typeof loggingSteps === "function" ? loggingSteps : (step: number) => step % loggingSteps === 0;
  const compiled = compileGradients(objective, device);
  const { rank, size } = options.workers ?? ALONE;
  const team = teamOf(options, maxGradNorm > 0 ? maxGradNorm : undefined, device);
  const { workers, shard, apply, summed, meets } = team;
  checkFollows(options);
  if (options.retain !== undefined) checkRetain(options.retain);
  if (options.spaces !== undefined) checkSpaces(optimizer);
  const retains = options.retain && retaining(options.retain, device);
  const follow = following(objective, options, device);
  const owned: { state?: TrainState; fixed?: Awaited<ReturnType<typeof fixedInputs>>; handedOut?: Params } = {};
  const moving = options.referenceFollows && (() => (owned.state as Required<TrainState>).reference.weights);
  const { feed, take, close } = feeder(objective, options.reference, device, moving);
  const whole = wholeBatches(objective, workers, device);
  let at: Position = { step: 0, batches: 0, tokens: 0 };
  /** Steps that may still turn out not to be finite, and where the run stood before each. */
  let pending: { readonly before: Position; readonly group: readonly TrainingBatch[] }[] = [];
  /** Steps done before the run, and whether the last good state was handed out. */
  let [begun, isRescued] = [0, false];
  let mark: { readonly step: number; readonly log: Promise<HostData> } | undefined;

  /** How the `number`-th batch of the step that comes next counts. */
  const inputs = (scale: number, number: number) => {
    const { key, step } = (owned.state as TrainState).optimizer;
    const isRounded = optimizer.storage === "bf16";
    const chance = { key, step, batch: scalar(number * size + rank, "i32") };
    return { scale, ...(isRounded && { rounding: chance }), ...(objective.drops && { dropout: chance }) };
  };
  /** Gradients of such a batch, added to those carried, which are donated. */
  const gradients: FailedStep["gradients"] = (params, batch, scale, number, carry) =>
    compiled(params, batch, inputs(scale, number), carry);

  const advance = async (
    group: readonly TrainingBatch[],
    state: TrainState,
    lr: number,
    units: number,
  ): Promise<TrainState> => {
    // The last batch of an epoch may have rows for some workers only.
    if (units === 0 && (meets === undefined || size === 1))
      throw new InputError("a training batch holds nothing to learn: every completion is empty or cut off");
    const scale = units === 0 ? 0 : 1 / units;
    let carry: Carry = {};
    try {
      for (const [i, batch] of group.entries()) {
        const { params } = state.optimizer;
        const { tensors, release } = take(batch);
        try {
          const [seen, before] = [await whole.seen(params, tensors), carry];
          // The last batch's are those of the step.
          carry =
            i < group.length - 1
              ? gradients(params, seen, scale, i, before)
              : await summed((bytes) => compiled.inParts(bytes, params, seen, inputs(scale, i), before));
        } finally {
          release();
        }
      }
      const { optimizer: own, log, ...beside } = state;
      const steady = { ...owned.fixed?.fixed, ...(beside.retained && { retained: beside.retained }) };
      return { ...(await apply({ optimizer: own, log }, carry as Summed, lr, steady)), ...beside };
    } finally {
      dispose(carry); // gone already unless something threw
    }
  };

  /** The log after step `upTo`, once it is known that all steps until then were finite. */
  const settled = async (log: Promise<HostData>, upTo: number): Promise<HostData> => {
    const numbers = await log;
    if (logged(numbers, objective).failed) await failed();
    pending = pending.filter(({ before }) => before.step >= upTo);
    return numbers;
  };

  const handOut = async (good: TrainSnapshot): Promise<void> => {
    isRescued = true;
    if (meets !== undefined) return; // between meetings no worker has what all have
    const weights = reported(optimizer, good.state, device);
    await options.rescue?.(good, weights.params()).finally(weights.release);
  };

  /** The state is as it was before the first step that failed. */
  const failed = async (): Promise<never> => {
    const state = owned.state as TrainState;
    const [done] = await read(state.optimizer.step);
    const bad = pending.find(({ before }) => before.step === done);
    if (bad === undefined) throw new Error(`a step after step ${done} failed, and it is forgotten which`);
    await handOut({ ...bad.before, state: { ...state, log: await unfailed(state.log, objective) } });
    const said = await notFinite({ objective, feed, gradients, workers }, state.optimizer.params, bad.group, done + 1);
    throw new InputError(said);
  };

  /** All workers become one, where they do not share every step. */
  const meet = async (): Promise<void> => {
    if (meets === undefined || meets.isMet(at)) return;
    await settled(read((owned.state as TrainState).log), at.step);
    ({ state: owned.state, at } = await meets.meet(owned.state as TrainState, at));
  };

  /** What another error has left as it was, if the device still answers, and the other workers are where this one is. */
  const salvage = async (error: unknown): Promise<void> => {
    const { state } = owned;
    if (isRescued || !(await allWhole(workers, error, at.step, state?.log))) return;
    if (state === undefined || at.step === begun) return;
    await settled(read(state.log), at.step);
    await handOut({ ...at, state });
  };

  try {
    ({ state: owned.state, ...at } = await beginning(options, { shard, meets }, device));
    begun = at.step;
    meets?.begin(owned.state.optimizer.params, at);
    owned.fixed = await fixedInputs(options, shard, owned.state.optimizer.key, device);
    if (steps > at.step)
      for await (const group of grouped(options.batches, accumulation)) {
        const lr = learningRate * factor(at.step);
        pending.push({ before: at, group });
        if (retains !== undefined && at.step % (options.retain?.every ?? 1) === 0)
          owned.state = retaken(owned.state as TrainState, retains);
        const [units, real, tokens] = await counted(workers, group, objective);
        owned.state = await advance(group, owned.state as TrainState, lr, units);
        at = { step: at.step + 1, batches: at.batches + group.length, tokens: at.tokens + real };
        const { step } = at;
        owned.state = follow.move(owned.state, step);
        if (meets?.due(step) || step === steps) await meet();
        let record: StepRecord | undefined;
        if (logs(step) || step === steps) {
          const own = await settled(read(owned.state.log), step);
          const { log, ...told } = (await meets?.told(own, at)) ?? { log: own, at };
          at = told.at;
          const { loss, metrics } = objective.report(log);
          const { epoch } = group[group.length - 1];
          const about = {
            grad_norm: logged(log, objective).norm,
            learning_rate: lr,
            ...(epoch === undefined ? {} : { epoch }),
          };
          record = { step, loss, ...about, ...metrics, num_tokens: at.tokens };
          dispose(owned.state.log);
          owned.state = { ...owned.state, log: noTotals(objective) };
        } else if (step % IN_FLIGHT === 0) {
          if (mark !== undefined) await settled(mark.log, mark.step);
          mark = { step, log: read(owned.state.log) };
          mark.log.catch(() => {}); // whoever awaits it hears of it
        }
        const weights = reported(optimizer, owned.state, device);
        const { state } = owned;
        const taken = {
          step,
          learningRate: lr,
          tokens,
          record,
          ...(state.reference && { reference: state.reference.weights }),
          snapshot: async () => {
            if (record === undefined) await settled(read(state.log), step);
            return { ...at, state: meets?.saved(state, at) ?? state };
          },
        };
        try {
          yield {
            ...taken,
            get params() {
              return weights.params();
            },
          };
        } finally {
          weights.release();
        }
        if (step >= steps) break;
      }
    if (at.step === 0 && steps > 0) throw new InputError("there are no batches to train on");
    await settled(read(owned.state.log), at.step);
    await meet();
    owned.handedOut = reported(optimizer, owned.state, device).params();
    return owned.handedOut;
  } catch (error) {
    await salvage(error).catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    await mark?.log.catch(() => {});
    close();
    const made = [compiled, team, follow, whole, ...[retains, meets].filter((one) => one !== undefined)];
    for (const program of made.flatMap((one) => one.programs())) program.free();
    const { state, fixed, handedOut } = owned;
    fixed?.release();
    meets?.release();
    if (state !== undefined) {
      dispose(without(state, handedOut));
    }
  }
}

/** Runs an async generator to its end, telling each value, and gives what it returns. */
export const lastOf = async <T, R>(
  steps: AsyncGenerator<T, R>,
  onStep: (step: T) => unknown = () => {},
): Promise<R> => {
  expects("lastOf", "record function?", steps, onStep);
  for (;;) {
    const next = await steps.next();
    if (next.done === true) return next.value;
    await onStep(next.value);
  }
};
