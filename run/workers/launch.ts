/** What started several processes of one command. */
export interface Launch {
  /** As people call it. */
  readonly by: string;
  readonly ranks: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that tell how many ranks were started: one a launcher, the surest first. */
const COUNTS: readonly (readonly [variable: string, by: string])[] = [
  ["OMPI_COMM_WORLD_SIZE", "mpirun of Open MPI"],
  // Of a step that srun started; a batch script alone has SLURM_NTASKS, and is one process.
  ["SLURM_STEP_NUM_TASKS", "srun"],
  ["PMI_SIZE", "mpiexec of MPICH"],
];

/** Who started this process as one of several ranks, by the environment; undefined where it is one alone. */
export const launchedBy = (env: Environment): Launch | undefined => {
  for (const [variable, by] of COUNTS) {
    const ranks = Number(env[variable]);
    if (Number.isInteger(ranks) && ranks > 1) return { by, ranks };
  }
  return undefined;
};

/** This process's rank as the launcher has it, also before MPI is there; 0 where it is one alone, or it is not told. */
export const launchedAs = (env: Environment): number =>
  launchedBy(env) === undefined
    ? 0
    : Number(env.OMPI_COMM_WORLD_RANK ?? env.PMI_RANK ?? env.PMIX_RANK ?? env.SLURM_PROCID ?? 0) || 0;

/** Is it one of several ranks, and not the first, which speaks for all? */
export const isFollower = (env: Environment): boolean => launchedAs(env) > 0;
