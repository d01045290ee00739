import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { isObject, readText } from "../../../models/files/json.js";
import { writeTextAtomically } from "../../../models/files/writing/atomic.js";
import { makeFolder } from "../../../models/files/writing/make-folder.js";
import type { Errand } from "./errand.js";
import { type Cluster, kubernetesJob, MANAGED } from "./kubernetes.js";
import { logsIn, slurmScript } from "./slurm.js";

export type Scheduler =
  | { readonly kind: "slurm"; readonly options: readonly string[] }
  | ({ readonly kind: "kubernetes" } & Cluster);

/** A scheduler as this house knows one: what is written for it, and what submits that. */
interface Way {
  readonly file: string;
  readonly text: (errand: Errand) => string;
  /** Was a file of that name written here? */
  readonly isOwn: (text: string) => boolean;
  readonly needs: string;
  readonly submit: (path: string) => readonly [string, ...string[]];
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const wayOf = (scheduler: Scheduler): Way =>
  scheduler.kind === "slurm"
    ? {
        file: "slurm.sh",
        text: (errand) => slurmScript(errand, scheduler.options),
        isOwn: (text) => text.startsWith("#!/bin/bash\n# taugrad "),
        needs: "sbatch",
        submit: (path) => ["bash", path],
      }
    : {
        file: "kubernetes.json",
        text: (errand) => `${JSON.stringify(kubernetesJob(errand, scheduler), undefined, 1)}\n`,
        isOwn: (text) => {
          const { metadata } = Object(parsed(text)) as { metadata?: unknown };
          return isObject(metadata) && JSON.stringify(metadata.labels) === JSON.stringify(MANAGED);
        },
        needs: "kubectl",
        submit: (path) => ["kubectl", "create", "-o", "name", "-f", path],
      };

/** What a scheduler is to run. Errors: InputError for what it does not take. */
export const drafted = (scheduler: Scheduler, errand: Errand): string => wayOf(scheduler).text(errand);

/** Writes it into the sweep's folder; returns the path. Errors: InputError for a file that is somebody else's; and as of `drafted`. */
export const writeErrand = (scheduler: Scheduler, errand: Errand): string => {
  const { file, isOwn } = wayOf(scheduler);
  const path = join(errand.folder, file);
  const content = drafted(scheduler, errand);
  if (existsSync(path) && !isOwn(readText(path)))
    throw new InputError(`${path}: is of no sweep, and would be overwritten; put it elsewhere`);
  makeFolder(logsIn(errand.folder));
  writeTextAtomically(path, content);
  return path;
};

/** How it is submitted by hand. */
export const submission = (scheduler: Scheduler, path: string): string => wayOf(scheduler).submit(path).join(" ");

/** Submits what was written; returns what the scheduler says. Errors: InputError where there is none, or it refuses. */
export const submit = (scheduler: Scheduler, path: string): string => {
  const { needs, submit: words } = wayOf(scheduler);
  if (spawnSync(needs, ["--help"], { stdio: "ignore" }).error !== undefined)
    throw new InputError(`--submit: ${needs} is not installed here; where it is, run: ${submission(scheduler, path)}`);
  const [program, ...args] = words(path);
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (status !== 0)
    throw new InputError(`${needs} refuses ${path}: ${`${stdout}${stderr}`.trim().replace(/\s*\n\s*/g, "; ")}`);
  return stdout.trim();
};
