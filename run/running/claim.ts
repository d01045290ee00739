import { basename } from "node:path";
import { checkpointsIn } from "../../align/training/checkpoint.js";
import { InputError } from "../../core/errors.js";
import { folderExists } from "../../models/files/json.js";
import { samePlace } from "../checks/check.js";
import type { TrainingValues } from "../options/takes.js";
import type { Voice } from "../voice.js";
import { type Claim, isModelFile } from "../writing/claim.js";

/** What a run writes beside the model. */
const FILES: ReadonlySet<string> = new Set([
  ...["metrics.jsonl", "trainer_state.json", "README.md", "loss.svg", "rewards.svg"],
]);

/** The output folder as a run lays claim to it. */
export const claimOf = (
  { output_dir, overwrite_output_dir }: TrainingValues,
  label: string,
  { flag }: Pick<Voice, "flag">,
): Claim => ({
  folder: output_dir,
  what: label,
  takes: (name) => isModelFile(name) || FILES.has(name) || /^checkpoint-\d+$/.test(name),
  overwrite: overwrite_output_dir,
  option: flag("overwrite_output_dir"),
});

/** Does a run go on from a checkpoint of its own output folder? */
export const goesOn = ({ resume, output_dir }: TrainingValues): boolean => {
  if (resume === undefined || resume === false) return false;
  const found = checkpointsIn(output_dir);
  return resume === true
    ? found.length > 0
    : folderExists(resume) && found.some(({ folder }) => samePlace(folder, resume));
};

/** Errors: InputError for a run that begins where another one has left checkpoints. */
export const checkUnused = (
  { output_dir, resume, overwrite_output_dir }: TrainingValues,
  { flag }: Pick<Voice, "flag">,
): void => {
  if ((resume !== undefined && resume !== false) || overwrite_output_dir) return;
  const last = checkpointsIn(output_dir).at(-1);
  if (last !== undefined)
    throw new InputError(
      `output_dir: ${output_dir} holds ${basename(last.folder)} of an earlier run; add ${flag("resume")} to go on from there, choose another folder, or replace it with ${flag("overwrite_output_dir")}`,
    );
};
