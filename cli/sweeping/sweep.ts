import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import type { Graph } from "../../lab/sweep/graph.js";
import { retry } from "../../lab/sweep/run.js";
import { stagesOf } from "../../lab/sweep/schedulers/errand.js";
import { MOUNT } from "../../lab/sweep/schedulers/kubernetes.js";
import { drafted, type Scheduler, submission, submit, writeErrand } from "../../lab/sweep/schedulers/send.js";
import { statusOf } from "../../lab/sweep/status.js";
import type { Output } from "../output.js";
import type { SweepValues } from "./options.js";
import { statusText } from "./status-text.js";

/** A sweep that may be asked about, or run elsewhere. */
export interface Asked<J> {
  readonly what: string;
  readonly folder: string;
  readonly graph: Graph<J>;
  /** All jobs, and what of them is not done; parents first. */
  readonly jobs: readonly J[];
  readonly pending: readonly J[];
  /** What the command was called with, without what is named here: `lab --quick`. */
  readonly words: readonly string[];
  /** Files that every task reads; absolute paths. */
  readonly reads?: readonly string[];
}

/** Tasks where nobody says how many. */
const TASKS = 4;

/** Which options go with which scheduler alone. */
const ALONE: Readonly<Partial<Record<keyof SweepValues, readonly SweepValues["scheduler"][]>>> = {
  submit: ["slurm", "kubernetes"],
  array: ["slurm", "kubernetes"],
  memory: ["slurm", "kubernetes"],
  sbatch: ["slurm"],
  image: ["kubernetes"],
  volume_claim: ["kubernetes"],
  stage: ["local"],
};

const flag = (key: string): string => `--${key.replaceAll("_", "-")}`;

/** Errors: InputError for options that do not go together. */
const checkTogether = (values: SweepValues): void => {
  const { scheduler, status, dry_run: dry } = values;
  const isGiven = (key: keyof SweepValues): boolean => values[key] !== undefined && values[key] !== false;
  for (const [key, takes] of Object.entries(ALONE) as [keyof SweepValues, readonly string[]][])
    if (isGiven(key) && !takes.includes(scheduler))
      throw new InputError(`${flag(key)} goes with --scheduler ${takes.join(" or ")}; this is ${scheduler}`);
  const doing = (["submit", "retry", "stage"] as const).find(isGiven);
  if (status && (doing !== undefined || dry || scheduler !== "local"))
    throw new InputError(
      `--status only tells how far a sweep is; leave out ${doing !== undefined ? flag(doing) : dry ? "--dry-run" : "--scheduler"}`,
    );
  if (dry && doing !== undefined) throw new InputError(`--dry-run writes nothing; leave out ${flag(doing)}`);
};

const schedulerOf = ({ scheduler, sbatch, image, volume_claim: volumeClaim }: SweepValues): Scheduler | undefined => {
  if (scheduler === "local") return undefined;
  if (scheduler === "slurm") return { kind: "slurm", options: sbatch ?? [] };
  const missing = image === undefined ? "--image" : "--volume-claim";
  if (image === undefined || volumeClaim === undefined)
    throw new InputError(
      `--scheduler kubernetes needs ${missing}: ${missing === "--image" ? "an image in which taugrad starts" : "the claim of a volume that all pods may write"}`,
    );
  return { kind: "kubernetes", image, volumeClaim };
};

/**
 * What is to be done with a sweep before, or in place of, doing it here: telling how far it is, trying again what failed, handing it
 * to a scheduler. Returns whether that was all. Errors: InputError for options that do not go together, or that a scheduler refuses.
 */
export const handled = <J>(values: SweepValues, asked: Asked<J>, out: Output): boolean => {
  const { what, folder, graph, jobs, pending, words } = asked;
  checkTogether(values);
  const scheduler = schedulerOf(values);
  const unseen =
    scheduler?.kind === "kubernetes" ? asked.reads?.find((path) => !path.startsWith(`${MOUNT}/`)) : undefined;
  if (unseen !== undefined)
    throw new InputError(
      `${unseen}: pods see the volume at ${MOUNT} alone; mount it there here too, and put what is read on it`,
    );
  if (values.status) {
    const status = statusOf(folder, graph, jobs, pending);
    out.result(status, () => statusText(what, status));
    return true;
  }
  if (values.retry) out.note(`${what}: ${retry(folder, what, graph, jobs)} failed jobs are tried again`);
  if (scheduler === undefined) return false;
  const seconds = pending.reduce((sum, job) => sum + graph.costOf(job), 0);
  if (pending.length === 0)
    throw new InputError(`${folder}: all ${jobs.length} jobs are done; without --scheduler, the report is written`);
  const { array = TASKS, processes = 1, memory } = values;
  const stages = stagesOf(graph, jobs, pending, array);
  const about = `${pending.length} of ${jobs.length} jobs, ${Math.ceil(seconds)} s of one core`;
  const tasks = `${what}: ${about}, in ${stages.map((stage) => stage.tasks).join(" + ")} tasks`;
  const errand = {
    what: `${what}: ${about}`,
    ...{ stages, words, processes, memory },
    program: [process.execPath, realpathSync(process.argv[1])],
    folder: resolve(folder),
  };
  if (values.dry_run) {
    drafted(scheduler, errand);
    out.result({ scheduler: scheduler.kind, stages, seconds }, () => tasks);
    return true;
  }
  const path = writeErrand(scheduler, errand);
  const said = values.submit ? submit(scheduler, path) : undefined;
  out.result({ scheduler: scheduler.kind, file: path, stages, submitted: said }, () =>
    [tasks, ...(said === undefined ? [`written: ${path}`, `submit:  ${submission(scheduler, path)}`] : [said])].join(
      "\n",
    ),
  );
  return true;
};
