import { endingOf } from "./blame.js";
import type { Claim, Claims } from "./claims.js";
import type { Graph, OnShare, Store } from "./graph.js";
import type { Worker } from "./workers.js";

/** What a queue tells while it works: seconds of work done, by the cost model, of `total`, and what was last at hand. */
export interface Report {
  readonly seconds: number;
  readonly total: number;
  readonly jobs: number;
  readonly of: number;
}

/** Jobs that are not done, and what doing them costs. */
export interface Budget<J> {
  /** Parents first. */
  readonly pending: readonly J[];
  /** Seconds of one core. */
  readonly seconds: number;
  /** What is wrong with what some of them left before, in a few words each. */
  readonly damaged: readonly string[];
}

/** `jobs`: parents first. */
export const budgetOf = <J>({ costOf }: Graph<J>, store: Store<J>, jobs: readonly J[]): Budget<J> => {
  const pending = jobs.filter((job) => !store.has(job));
  const seconds = pending.reduce((sum, job) => sum + costOf(job), 0);
  return { pending, seconds, damaged: pending.flatMap((job) => store.damage(job) ?? []) };
};

/** Jobs in the order in which they are begun: long chains first. */
const inOrder = <J>({ idOf, parentsOf, costOf }: Graph<J>, jobs: readonly J[]): J[] => {
  /** Seconds from the start of each job to the end of the longest chain that hangs on it. */
  const length = new Map<string, number>();
  for (const job of jobs.toReversed()) {
    const own = costOf(job) + (length.get(idOf(job)) ?? 0);
    length.set(idOf(job), own);
    for (const parent of parentsOf(job).map(idOf)) length.set(parent, Math.max(own, length.get(parent) ?? 0));
  }
  return jobs.toSorted((a, b) => (length.get(idOf(b)) ?? 0) - (length.get(idOf(a)) ?? 0));
};

/** A job that fails; those that build on it are not done. */
export interface Failed<J> {
  readonly job: J;
  readonly reason: string;
  /** What was thrown, if it was here. */
  readonly error?: unknown;
  /** Was it not tried, since it builds on one that fails? */
  readonly isBlocked?: boolean;
}

/** What a queue works on: jobs, their results and their claims, the latter two shared with others. */
export interface Shared<J> {
  readonly graph: Graph<J>;
  readonly store: Store<J>;
  readonly claims: Claims;
}

/** Milliseconds from one look at what others have done to the next, the first and the longest, where nothing can be begun. */
const LOOK = { first: 100, longest: 5000 };

/**
 * Does jobs (parents first in the list, and done or in the list) on as many workers as given, each as soon as its parents are done,
 * long chains first, beside whoever else does so in the same folders: a job is claimed first, what another holds is waited for and
 * what another has done is taken; what nothing is left to need is left out. What is done stays, so that a run that was cut off goes on from there. Returns the jobs that
 * fail, here or elsewhere, once all else is done.
 * Errors: what is no job's fault (no space left, a worker that was killed), at once.
 */
export const runQueue = async <J>(
  { graph, store, claims }: Shared<J>,
  { pending, seconds: total }: Budget<J>,
  workers: readonly Worker<J>[],
  onReport: (report: Report) => void = () => {},
): Promise<readonly Failed<J>[]> => {
  const { idOf, parentsOf, costOf } = graph;
  const waiting = new Map(pending.map((job) => [idOf(job), job]));
  const order = inOrder(graph, pending);
  const idle = [...workers];
  const shares = new Map<string, number>();
  const failed = new Map<string, Failed<J>>();
  let [doneSeconds, doneJobs] = [0, 0];

  const report = (): void => {
    const partial = [...shares.values()].reduce((sum, share) => sum + share, 0);
    onReport({ seconds: doneSeconds + partial, total, jobs: doneJobs, of: pending.length });
  };
  const done = (job: J): void => {
    waiting.delete(idOf(job));
    doneSeconds += costOf(job);
    doneJobs++;
  };
  const fail = (one: Failed<J>): void => {
    waiting.delete(idOf(one.job));
    failed.set(idOf(one.job), one);
  };
  /** What builds on a job, of what was to be done at the start. */
  const children = new Map<string, string[]>();
  for (const job of pending)
    for (const parent of parentsOf(job).map(idOf)) children.set(parent, [...(children.get(parent) ?? []), idOf(job)]);
  /** Is all settled that a job was for, after it was done? Its result may be gone then, with whoever has used it. */
  const isUsed = (job: J, wasDone: boolean): boolean =>
    children.get(idOf(job))?.every((child) => !waiting.has(child) && (wasDone || !failed.has(child))) ?? false;
  const isReady = (job: J): boolean => parentsOf(job).every((parent) => !waiting.has(idOf(parent)));

  /** Whether a job that was waited for is now settled by others. */
  const isSettled = (job: J, there: ReadonlySet<string>, reason: string | undefined): boolean => {
    if (there.has(idOf(job)) && store.has(job)) done(job);
    else if (reason !== undefined) fail({ job, reason });
    return !waiting.has(idOf(job));
  };

  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    let pause = LOOK.first;
    let isStopped = false;
    const stop = (error: unknown): void => {
      isStopped = true;
      clearTimeout(timer);
      reject(error);
    };

    const start = (job: J, claim: Claim, worker: Worker<J>): void => {
      const id = idOf(job);
      shares.set(id, 0);
      const onShare: OnShare = (share) => {
        shares.set(id, share * costOf(job));
        report();
      };
      const go = (): void => {
        shares.delete(id);
        idle.push(worker);
        round();
      };
      worker.run(job, onShare).then(
        () => {
          claim.end({ end: "done", seconds: claim.seconds() });
          done(job);
          go();
        },
        (error: unknown) => {
          const ending = endingOf(error);
          if (ending !== undefined) {
            claim.end(ending);
            stop(error);
            return;
          }
          // Who has lost a claim may have found its files gone: they are another's to write now.
          if (claim.isHeld()) {
            const { message: reason, stack } = error instanceof Error ? error : new Error(String(error));
            claim.end({ end: "failed", reason, stack });
            fail({ job, reason, error });
          }
          go();
        },
      );
    };

    const attempt = (): void => {
      // First the claims: what one of them calls done lies there.
      const seen = claims.look();
      const there = store.ids();
      const before = waiting.size;
      for (const job of pending) {
        const id = idOf(job);
        if (!waiting.has(id) || shares.has(id)) continue;
        const { state, reason } = seen.get(id) ?? {};
        if (isSettled(job, there, state === "failed" ? reason : undefined)) continue;
        const bad = parentsOf(job)
          .map(idOf)
          .find((parent) => failed.has(parent));
        if (bad !== undefined) fail({ job, reason: `builds on ${bad}, which failed`, isBlocked: true });
      }
      for (const job of pending.toReversed())
        if (waiting.has(idOf(job)) && !shares.has(idOf(job)) && isUsed(job, seen.get(idOf(job))?.state === "done"))
          done(job);
      for (const job of order) {
        if (idle.length === 0) break;
        const id = idOf(job);
        const last = seen.get(id);
        if (!waiting.has(id) || shares.has(id) || !isReady(job) || last?.state === "held") continue;
        const claim = claims.take(id, last);
        if (claim === undefined) continue;
        if (store.has(job)) {
          claim.end({ end: "left" });
          done(job);
          continue;
        }
        store.tidy(job);
        start(job, claim, idle.pop() as Worker<J>);
      }
      report();
      pause = waiting.size < before ? LOOK.first : Math.min(1.5 * pause, LOOK.longest);
    };

    const round = (): void => {
      if (isStopped) return;
      clearTimeout(timer);
      try {
        attempt();
      } catch (error) {
        stop(error);
        return;
      }
      if (waiting.size === 0) resolve([...failed.values()]);
      else if (idle.length > 0 && waiting.size > shares.size) timer = setTimeout(round, pause);
    };
    round();
  });
};
