import { join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { type Errand, nameOf, taskWords } from "./errand.js";

/** A word as a shell takes it literally. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** Options of sbatch that the script sets for itself. */
const OWN = [
  "array",
  "a",
  "dependency",
  "d",
  "output",
  "o",
  "error",
  "e",
  "open-mode",
  "wait",
  "W",
  "parsable",
  "wrap",
];

/** Errors: InputError for an option that is none, or is the script's own. */
const checked = (option: string): string => {
  const [, long, short] = /^(?:--([a-z][a-z-]*)|-([A-Za-z]))(?:[ =].*)?$/.exec(option) ?? [];
  const name = long ?? short;
  if (name === undefined || /[\r\n]/.test(option))
    throw new InputError(
      `--sbatch ${JSON.stringify(option)}: is no option of sbatch; write it as there: --sbatch=--partition=long`,
    );
  if (OWN.includes(name))
    throw new InputError(
      `--sbatch ${option}: the script sets that itself; leave it out (--array and --processes set tasks and cores)`,
    );
  return option;
};

/** Where tasks write what they say. */
export const logsIn = (folder: string): string => join(folder, "logs");

/**
 * The script of a sweep for Slurm. Run by hand it submits itself: a stage is an array job, and begins when all tasks of the one before
 * have ended, however they did (afterany): what a task left undone, the next stage does first. A task takes whatever is free of
 * its stage until all of it is done, so that it matters to no job which task is killed, requeued or late.
 * Errors: InputError for options of sbatch that it cannot have, and for a folder that no #SBATCH line can name.
 */
export const slurmScript = (errand: Errand, options: readonly string[]): string => {
  const { what, stages, program, folder, processes, memory } = errand;
  if (/["\\\r\n]/.test(folder))
    throw new InputError(
      `${folder}: Slurm takes no name with quotes, backslashes or line breaks; choose another folder`,
    );
  const settings = [
    `--job-name=taugrad-${nameOf(errand)}`,
    `--output="${logsIn(folder).replaceAll("%", "%%")}/%A_%a.log"`,
    "--open-mode=append",
    `--cpus-per-task=${processes}`,
    "--requeue",
    ...(memory === undefined ? [] : [`--mem=${Math.ceil(memory / 2 ** 20)}M`]),
    ...options.map(checked),
  ];
  const task = [...program, ...taskWords(errand, folder)].map(quoted).join(" ");
  return `#!/bin/bash
# taugrad ${what}. Submit it with: bash slurm.sh
${settings.map((setting) => `#SBATCH ${setting}`).join("\n")}
set -eu
if [ $# -eq 0 ]; then
  last=
  for stage in ${stages.map(({ depth, tasks }) => `${depth}:${tasks}`).join(" ")}; do
    last=$(sbatch --parsable --array=0-$((\${stage#*:} - 1)) \${last:+--dependency=afterany:$last} "$0" "\${stage%%:*}")
    last=\${last%%;*}
    echo "stage \${stage%%:*}: \${stage#*:} tasks, Slurm job $last"
  done
  exit
fi
exec ${task} --stage "$1"
`;
};
