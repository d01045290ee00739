import { basename } from "node:path";
import { depths, type Graph } from "../graph.js";

/** Schedulers that run tasks elsewhere. */
export const SCHEDULERS = ["slurm", "kubernetes"] as const;

/** A stage of a sweep: jobs before which so many others are done, and how many tasks share them. */
export interface Stage {
  readonly depth: number;
  readonly tasks: number;
}

/** What a scheduler is asked to run: the same command in many tasks, each of which does what nobody else does yet. */
export interface Errand {
  /** The command, and what is left of it. */
  readonly what: string;
  readonly stages: readonly Stage[];
  /** What a task runs, after the program: `lab --quick`; without the folder. */
  readonly words: readonly string[];
  /** The program, as this machine starts it. */
  readonly program: readonly string[];
  /** Shared by all tasks; an absolute path. */
  readonly folder: string;
  /** Jobs at a time in a task, one core each. */
  readonly processes: number;
  /** Bytes of a task. */
  readonly memory?: number;
}

/** The stages of what is left of a graph, of at most so many tasks. */
export const stagesOf = <J>(graph: Graph<J>, jobs: readonly J[], pending: readonly J[], most: number): Stage[] => {
  const depth = depths(graph, jobs);
  const counts = new Map<number, number>();
  for (const job of pending) {
    const at = depth.get(graph.idOf(job)) ?? 0;
    counts.set(at, 1 + (counts.get(at) ?? 0));
  }
  return [...counts].sort(([a], [b]) => a - b).map(([at, count]) => ({ depth: at, tasks: Math.min(count, most) }));
};

/** How a task's command names the folder that it works in. */
export const taskWords = ({ words, processes }: Errand, folder: string): readonly string[] => [
  ...words,
  "--output-dir",
  folder,
  "--processes",
  String(processes),
];

/** A folder's own name as schedulers take one: lower-case letters, digits and hyphens. */
export const nameOf = ({ folder }: Errand): string =>
  basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 30) || "sweep";
