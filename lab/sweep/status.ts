import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { described } from "../../models/files/writing/holder.js";
import { watchClaims } from "./claims.js";
import type { Graph } from "./graph.js";
import { claimsIn } from "./run.js";

/** A job that somebody does now. */
export interface Running {
  readonly id: string;
  readonly name: string;
  readonly who: string;
  /** Seconds since its last sign of life, by the clock of this machine; they come every 10 seconds. */
  readonly silence: number;
}

/** How far a sweep is. */
export interface Status {
  readonly jobs: number;
  readonly done: number;
  readonly running: readonly Running[];
  /** Jobs that fail, how often they were tried, and why; those that build on them are not done. */
  readonly failed: readonly {
    readonly id: string;
    readonly name: string;
    readonly attempts: number;
    readonly reason: string;
  }[];
  /** Jobs that are to come, without those that build on a failed one; and those. */
  readonly waiting: number;
  readonly blocked: number;
  /** Results that were made more than once, which changes no byte. */
  readonly repeated: readonly string[];
  /** Seconds of one core that are left, by the cost model and by what jobs took so far. */
  readonly seconds: number;
}

/** Reads how far a sweep is; writes nothing. `pending`: what of its jobs is not done; both parents first. */
export const statusOf = <J>(folder: string, graph: Graph<J>, jobs: readonly J[], pending: readonly J[]): Status => {
  const { idOf, parentsOf, nameOf, costOf } = graph;
  const claims = claimsIn(folder);
  const board = watchClaims(claims, "status");
  const seen = board.look();
  const all = board.all();
  const open = new Set(pending.map(idOf));
  const named = (job: J) => ({ id: idOf(job), name: nameOf(job) });
  const inState = (wanted: string): J[] => pending.filter((job) => seen.get(idOf(job))?.state === wanted);

  const running = inState("held").map((job) => {
    const { turn = 0, holder = {} } = seen.get(idOf(job)) ?? {};
    const path = join(claims, `${idOf(job)}.${turn}`);
    const silence = existsSync(path) ? Math.max(0, (Date.now() - statSync(path).mtimeMs) / 1000) : 0;
    return { ...named(job), who: described(holder), silence };
  });
  const failed = inState("failed").map((job) => ({
    ...named(job),
    attempts: all.get(idOf(job))?.length ?? 0,
    reason: seen.get(idOf(job))?.reason ?? "",
  }));
  const bad = new Set(failed.map(({ id }) => id));
  for (const job of pending) if (parentsOf(job).some((parent) => bad.has(idOf(parent)))) bad.add(idOf(job));
  const blocked = bad.size - failed.length;

  const ends = jobs.map((job) => ({
    job,
    seconds: (all.get(idOf(job)) ?? []).flatMap(({ ending }) => (ending?.end === "done" ? [ending.seconds] : [])),
  }));
  // What the jobs that were done have taken, beside what was thought.
  const measured = ends.filter(({ job, seconds }) => !open.has(idOf(job)) && seconds.length > 0);
  const total = (of: readonly number[]): number => of.reduce((sum, x) => sum + x, 0);
  const thought = total(measured.map(({ job }) => costOf(job)));
  const pace = thought === 0 ? 1 : total(measured.map(({ seconds }) => seconds[0])) / thought;
  return {
    jobs: jobs.length,
    done: jobs.length - pending.length,
    running,
    failed,
    waiting: pending.length - running.length - failed.length - blocked,
    blocked,
    repeated: ends.filter(({ seconds }) => seconds.length > 1).map(({ job }) => idOf(job)),
    seconds: pace * total(pending.filter((job) => !bad.has(idOf(job))).map(costOf)),
  };
};
