import {
  compile,
  type Device,
  dispose,
  InputError,
  type Program,
  read,
  type Tensor,
  tensor,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import { realTokens, tokensIn, total } from "../../data/groups.js";
import type { TrainingBatch } from "../../data/rows.js";
import type { BatchTensors } from "../../objectives/log-probs.js";
import type { Objective } from "../../objectives/objective.js";
import { compileOffloaded } from "../offload.js";
import type { TrainOptions } from "../options.js";
import { type Apply, compileApply, type Summed } from "../step.js";
import { type Meets, meetsOf } from "./meets.js";
import { type Shard, shardOf } from "./shard.js";
import { type Computing, compileSharded, summedOverRanks } from "./sharded.js";
import { sumsOver } from "./sums.js";
import { ALONE, gathered, summed, type Workers, WorkersError } from "./workers.js";

/** What cannot be shared out. Errors: InputError that names it. */
const checkShared = ({ optimizer, objective, offload = "none", params }: TrainOptions, size: number): void => {
  const refuse = (what: string, mend: string): never => {
    throw new InputError(`${size} workers: ${what}; ${mend}`);
  };
  if (offload !== "none")
    refuse(`offload "${offload}" is for one process`, "each worker keeps its share alone already");
  if (optimizer.report !== undefined)
    refuse(
      `${optimizer.name} hands out an average that no worker has whole`,
      "train with one process, or another optim",
    );
  if (optimizer.usesMask)
    refuse(`${optimizer.name} estimates its mask from whole batches`, "train with one process, or another optim");
  if (objective.whole !== undefined)
    refuse(`${objective.whole} looks at a batch as a whole`, "train with one process, or another loss");
  if (Object.keys(params).length < size)
    refuse(`the model has ${Object.keys(params).length} parameters to share out`, "start fewer");
};

/** With whom a run trains. */
export interface Team {
  /** Those that share every step. */
  readonly workers: Workers;
  /** Which part of the optimizer it keeps; undefined where that is all of it. */
  readonly shard: Shard | undefined;
  readonly apply: Apply;
  /** Takes a step's gradients and totals to what `apply` is given: those of all, of this rank's own parameters. */
  readonly summed: (compute: Computing) => Promise<Summed>;
  readonly programs: () => readonly Program[];
  /** What they do now and then, where they do not share every step. */
  readonly meets: Meets | undefined;
}

/** A computation whose parts nobody waits for. */
const atOnce = (compute: Computing): Summed => {
  const run = compute(Number.POSITIVE_INFINITY);
  for (;;) {
    const part = run.next();
    if (part.done === true) return part.value;
  }
};

/** With whom a run trains, which part of the optimizer it keeps, and how its steps are taken. Errors: InputError. */
export const teamOf = (options: TrainOptions, maxGradNorm: number | undefined, device: Device): Team => {
  const { wire = "f32", objective, optimizer, params, offload } = options;
  const meets = meetsOf(options, device);
  const workers = meets === undefined ? (options.workers ?? ALONE) : ALONE;
  const stepper = { optimizer, steering: options.retain?.use };
  if (workers.size === 1) {
    const compileOptimizer = offload === "optimizer" ? compileOffloaded : compileApply;
    const apply = compileOptimizer(objective, stepper, maxGradNorm, device);
    return {
      workers,
      shard: undefined,
      apply,
      summed: async (compute) => atOnce(compute),
      programs: apply.programs,
      meets,
    };
  }
  checkShared(options, workers.size);
  const shard = shardOf(params, workers);
  const sharing = { workers, shard, wire };
  const apply = compileSharded(objective, stepper, maxGradNorm, device, workers, shard);
  const sums = sumsOver(params, sharing, device);
  return {
    ...{ workers, shard, apply, meets },
    summed: (compute) => summedOverRanks(compute, sums, workers),
    programs: () => [...apply.programs(), ...sums.programs()],
  };
};

/** Units, tokens and tokens with padding of a step's batches, over all workers. */
export const counted = (
  workers: Workers,
  group: readonly TrainingBatch[],
  { units }: Objective,
): Promise<Float64Array> =>
  summed(
    workers,
    "the sizes of its batches",
    [units, realTokens, tokensIn].map((of) => total(group, of)),
  );

/** What an objective knows of a batch as a whole, where its rows are shared out. */
export const wholeBatches = (objective: Objective, workers: Workers, device: Device) => {
  const { gathers } = objective;
  const program =
    gathers === undefined || workers.size === 1
      ? undefined
      : compile((params: Params, batch: BatchTensors) => gathers(params, batch), device, {
          name: `${objective.name} over all workers`,
        });
  return {
    /** The batch with `gathered`, where the objective asks for it. */
    seen: async (params: Params, batch: BatchTensors): Promise<BatchTensors> => {
      if (program === undefined) return batch;
      const own = program(params, batch);
      const numbers = await read(own).finally(() => dispose(own));
      return { ...batch, gathered: tensor(await summed(workers, "what it knows of whole batches", numbers)) };
    },
    programs: (): readonly Program[] => program?.programs() ?? [],
  };
};

/** After an error: are all workers there, each with what it had after the same step? Tells the others of the error. */
export const allWhole = async (
  workers: Workers,
  error: unknown,
  step: number,
  log: Tensor | undefined,
): Promise<boolean> => {
  if (workers.size === 1) return true;
  if (error instanceof WorkersError) {
    if (!error.isThere) return false;
  } else workers.fail(error instanceof Error ? error.message : String(error), true);
  const isWhole = log !== undefined && (await read(log).catch(() => undefined)) !== undefined;
  const all = await gathered(workers, "where it stands", [Number(isWhole), step]);
  return all.every(([whole, at]) => whole === 1 && at === step);
};
