/** Units of work that build on each other, as a graph without circles: each is a pure function of its settings. */
export interface Graph<J> {
  /** A job's name in the folder of results: a hash of all that decides its result. */
  readonly idOf: (job: J) => string;
  /** The jobs whose results it needs. */
  readonly parentsOf: (job: J) => readonly J[];
  /** Seconds of one core that it takes, roughly: for the order of jobs, the budget and the time left. */
  readonly costOf: (job: J) => number;
  /** Its settings, in which the jobs that it builds on stand by their id. */
  readonly settingsOf: (job: J) => Readonly<Record<string, unknown>>;
  /** What it is, in a few words, for people. */
  readonly nameOf: (job: J) => string;
}

/** Where results of jobs lie: as much of it as a queue asks. */
export interface Store<J> {
  /** Whether a job is done, and all that it left is as it was written. */
  readonly has: (job: J) => boolean;
  /** What is wrong with what a job left, in a few words; undefined if it is as it was written, and if it left nothing. */
  readonly damage: (job: J) => string | undefined;
  /** The ids under which results lie there now, also those of other machines. */
  readonly ids: () => ReadonlySet<string>;
  /** Removes what somebody left half-written of a job that this process has claimed. */
  readonly tidy: (job: J) => void;
}

/** Hears what share of a job is done. */
export type OnShare = (share: number) => void;

/** How many jobs have to be done one after the other before each: 0 for those that build on nothing. `jobs`: parents first. */
export const depths = <J>({ idOf, parentsOf }: Graph<J>, jobs: readonly J[]): ReadonlyMap<string, number> => {
  const known = new Map<string, number>();
  for (const job of jobs)
    known.set(idOf(job), Math.max(0, ...parentsOf(job).map((parent) => 1 + (known.get(idOf(parent)) ?? 0))));
  return known;
};

/** Some jobs with all that they build on, each once, parents first. */
export const withParents = <J>({ idOf, parentsOf }: Graph<J>, jobs: readonly J[]): J[] => {
  const all = new Map<string, J>();
  const add = (job: J): void => {
    if (all.has(idOf(job))) return;
    for (const parent of parentsOf(job)) add(parent);
    all.set(idOf(job), job);
  };
  for (const job of jobs) add(job);
  return [...all.values()];
};

/** The jobs before which at most so many have to be done; all, where nothing is said. */
export const upTo = <J>(graph: Graph<J>, jobs: readonly J[], depth: number | undefined): readonly J[] => {
  if (depth === undefined) return jobs;
  const known = depths(graph, jobs);
  return jobs.filter((job) => (known.get(graph.idOf(job)) ?? 0) <= depth);
};
