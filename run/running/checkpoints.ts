import { basename, join } from "node:path";
import {
  type Checkpoint,
  checkpointsIn,
  damageOf,
  type Manifest,
  removeUnfinished,
  rotateCheckpoints,
  writeCheckpoint,
} from "../../align/training/checkpoint.js";
import type { Position, TrainSnapshot } from "../../align/training/options.js";
import { RUN, STATE } from "../../align/training/snapshots.js";
import { loadTree, saveTree } from "../../align/training/state-file.js";
import { saveShared } from "../../align/training/workers/state.js";
import type { Workers } from "../../align/training/workers/workers.js";
import { InputError } from "../../core/errors.js";
import { folderExists, isObject, type JsonObject, readText } from "../../models/files/json.js";
import { weightFiles } from "../../models/files/weights.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";
import { loadModel, type Model, type Params, type SaveOptions, saveModel } from "../../models/index.js";
import type { TrainingValues } from "../options/takes.js";
import type { Best } from "../parts/best.js";
import type { Task } from "../parts/task.js";
import type { Voice } from "../voice.js";
import { checkSameRun, type RunIdentity } from "./same-run.js";

/** An adapter's factors, which the model beside them holds merged in. */
const FACTORS = "adapter_factors.safetensors";
/** Where a run goes on. */
export interface Resumed extends Position {
  readonly folder: string;
  /** How many records were written until then, where the checkpoint says. */
  readonly records?: number;
}

/** Writes a run's checkpoints: the model in Hugging Face layout, and what it takes to go on. */
export interface Checkpoints {
  /**
   * Writes `checkpoint-N`, after so many records, with the factors of an adapter where there is one, and drops the oldest above
   * the limit. Resolves to its path.
   */
  readonly save: (model: Model, snapshot: TrainSnapshot, records: number, factors?: Params) => Promise<string>;
}

export const checkpoints = (
  { output_dir, save_total_limit }: TrainingValues,
  identity: RunIdentity,
  options: SaveOptions,
  best: Best,
  workers: Workers,
): Checkpoints => ({
  save: async (model, { state, ...position }, records, factors) => {
    const { step } = position;
    if (workers.rank > 0) {
      await saveShared("", state, workers);
      best.saved(step);
      return join(output_dir, `checkpoint-${step}`);
    }
    try {
      const folder = await writeCheckpoint(output_dir, step, async (unfinished) => {
        await saveModel(unfinished, model, options);
        await saveShared(join(unfinished, STATE), state, workers);
        if (factors !== undefined) await saveTree(join(unfinished, FACTORS), factors);
        writeTextAtomically(
          join(unfinished, RUN),
          `${JSON.stringify({ ...position, records, ...identity }, null, 1)}\n`,
        );
      });
      best.saved(step);
      if (save_total_limit !== undefined) rotateCheckpoints(output_dir, save_total_limit, best.checkpoint());
      return folder;
    } catch (error) {
      if (!(error instanceof Error) || !("syscall" in error || error instanceof InputError)) throw error;
      const whole = checkpointsIn(output_dir).at(-1);
      const rest = whole === undefined ? "there is none before it" : `${basename(whole.folder)} is as it was`;
      throw new InputError(`${output_dir}: checkpoint-${step} could not be written (${error.message}); ${rest}`);
    }
  },
});

/** What a run hands out from a checkpoint of its own: weights, or the factors of its adapter; on the host. */
export const weightsOf = (outputDir: string, step: number, { model, adapted }: Task): Params => {
  const folder = join(outputDir, `checkpoint-${step}`);
  return adapted === undefined ? loadModel(folder).params : loadTree(join(folder, FACTORS), model.params);
};

const isPosition = (x: JsonObject): boolean =>
  [x.step, x.batches, x.tokens].every((n) => Number.isSafeInteger(n) && (n as number) >= 0) &&
  isObject(x.settings) &&
  isObject(x.digests);

/** Position and identity of a checkpoint that is whole. Errors: InputError for what another program wrote. */
const readRun = (folder: string): Omit<Resumed, "folder"> & RunIdentity => {
  const content: unknown = JSON.parse(readText(join(folder, RUN)));
  if (!isObject(content) || !isPosition(content))
    throw new InputError(`${join(folder, RUN)}: says not where the run stood`);
  return content as unknown as Omit<Resumed, "folder"> & RunIdentity;
};

/** What a checkpoint lacks of what a run goes on from: the model, the run's state and place. Errors: InputError. */
const lackingIn =
  (folder: string) =>
  ({ step, names }: Manifest): string | undefined => {
    const missingOf = (needed: readonly string[]): string | undefined => {
      const missing = needed.find((name) => !names.has(name));
      return missing === undefined ? undefined : `its manifest knows of no ${missing}`;
    };
    const missing = missingOf(["config.json", RUN, STATE]) ?? missingOf(weightFiles(folder));
    if (missing !== undefined) return missing;
    const run = readRun(folder);
    if (run.step !== step) return `${RUN} is that of step ${run.step}, its manifest that of step ${step}`;
    return run.settings.use_peft === true ? missingOf([FACTORS]) : undefined;
  };

/** The newest checkpoint that is whole. Damaged ones are named. Errors: InputError if there are some, and all damaged. */
const newestWhole = async (found: readonly Checkpoint[], out: Voice): Promise<Checkpoint | undefined> => {
  const damaged: string[] = [];
  for (const checkpoint of [...found].reverse()) {
    const damage = await damageOf(checkpoint.folder, lackingIn(checkpoint.folder));
    if (damage === undefined) {
      for (const line of damaged) out.note(`warning: ${line}; going on from ${basename(checkpoint.folder)} instead`);
      return checkpoint;
    }
    damaged.push(`${checkpoint.folder} is damaged (${damage})`);
  }
  if (damaged.length === 0) return undefined;
  throw new InputError(`${damaged.join(", ")}; no checkpoint is whole: remove them to start from the beginning`);
};

/** The checkpoint that `resume` asks for; undefined to begin at the beginning. Errors: InputError, as `checkSameRun`. */
export const resumedFrom = async (
  { resume, output_dir }: TrainingValues,
  identity: RunIdentity,
  steps: number,
  out: Voice,
): Promise<Resumed | undefined> => {
  removeUnfinished(output_dir);
  if (resume === undefined || resume === false) return undefined;
  if (typeof resume === "string" && !folderExists(resume)) throw new InputError(`resume: ${resume} is no folder`);
  const found = typeof resume === "string" ? [{ step: 0, folder: resume }] : checkpointsIn(output_dir);
  const chosen = await newestWhole(found, out);
  if (chosen === undefined) {
    out.note(`${output_dir} holds no checkpoint: beginning at the beginning`);
    return undefined;
  }
  const { folder } = chosen;
  const { step, batches, tokens, records, ...then } = readRun(folder);
  for (const line of checkSameRun(folder, then, identity)) out.note(line);
  if (step > steps)
    throw new InputError(`${folder} stands at step ${step}, and the run ends at ${steps}; raise max_steps`);
  out.note(`going on from ${folder}, after step ${step} of ${steps}`);
  return { step, batches, tokens, records, folder };
};
