import { availableParallelism, cpus } from "node:os";
import { basename } from "node:path";
import { checkpointsIn } from "../../align/training/checkpoint.js";
import { ALONE, type Workers, WorkersError } from "../../align/training/workers/workers.js";
import { InputError } from "../../core/errors.js";
import type { Host } from "../host.js";
import type { TrainingValues } from "../options/takes.js";
import { joinWorld, type World } from "./join.js";

/** The ranks of a run, as one of them sees them. */
export interface Team {
  readonly workers: Workers;
  /** Writes and speaks for all. */
  readonly isFirst: boolean;
  /** Threads that are this rank's share of its host; undefined where it has them all. */
  readonly threads: number | undefined;
  /** This rank's place among those of its host. */
  readonly local: World["local"];
}

const ONE: Team = { workers: ALONE, isFirst: true, threads: undefined, local: { rank: 0, size: 1 } };

/** Cores of a rank: those that it is bound to, or its share where it is not. */
const threadsOf = ({ size }: World["local"]): number => {
  const free = availableParallelism();
  return free < cpus().length ? free : Math.max(1, Math.floor(free / size));
};

/** What only one process can do. Errors: InputError that names the key. */
const checkKeys = (
  values: TrainingValues & { readonly precompute_ref_log_probs?: unknown },
  { hosts: { length: ranks } }: World,
): void => {
  const refuse = (key: string, why: string): never => {
    throw new InputError(`${key}: with ${ranks} ranks ${why}`);
  };
  if (values.offload !== "none") refuse("offload", "each keeps its share of the optimizer alone already; leave it out");
  if (values.precompute_ref_log_probs === true)
    refuse("precompute_ref_log_probs", "the reference model is asked as batches come; leave it out, or say false");
  if (values.optim === "childtuning_d")
    refuse("optim childtuning_d", "its mask would be estimated from shares of batches");
};

/** The ranks that this run was started with. Errors: InputError for keys that are not for several, and as `joinWorld`. */
export const teamFor = async (values: TrainingValues, out: Host): Promise<Team> => {
  const world = await joinWorld();
  if (world === undefined) {
    if (values.wire !== "f32") out.note(`note: wire does nothing in one process; it is of several ranks`);
    return ONE;
  }
  const { workers, mpi, hosts, local } = world;
  world.wait(values.ddp_timeout);
  const isFirst = workers.rank === 0;
  const on = [...new Set(hosts)];
  const where = on.length === 1 ? on[0] : `${on.length} hosts`;
  if (isFirst) out.note(`${workers.size} ranks on ${where}, ${mpi.version}: ${world.names.join(", ")}`);
  checkKeys(values, world);
  return { workers, isFirst, threads: local.size > 1 ? threadsOf(local) : undefined, local };
};

/** A host as a rank has it that does not speak: notes and observers are the first one's, but for those of every rank. */
export const hostOf = (out: Host, { isFirst }: Team): Host =>
  isFirst
    ? out
    : {
        ...out,
        ...{ note: () => {}, wait: () => {} },
        observers: (device) => out.observers(device).filter(({ everyRank }) => everyRank === true),
      };

/** What to say of an error that ended one of several ranks: the others hear of it; the last checkpoint is named. */
export const told = (error: unknown, { workers }: Team, { output_dir }: TrainingValues, out: Host): unknown => {
  if (workers.size === 1) return error;
  if (!(error instanceof WorkersError)) {
    workers.fail(error instanceof Error ? error.message : String(error), false);
    return error;
  }
  const last = checkpointsIn(output_dir).at(-1);
  const rest =
    last === undefined
      ? "there is no checkpoint"
      : `${out.flag("resume")} goes on from ${basename(last.folder)} of ${output_dir}`;
  return new InputError(`${error.message}; ${rest}`);
};
