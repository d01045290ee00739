import { expects } from "../../core/expects.js";
import { InputError } from "../../core/index.js";
import { isObject, type JsonObject } from "../../models/files/json.js";
import { fileIn, jsonIn, textFile, together } from "../../models/folders/files.js";
import type { Folder } from "../../models/folders/folder.js";
import { inTurn, type Work } from "../../models/folders/work.js";
import { folderFrom } from "../../models/folders/work-in.js";
import {
  checkpointsIn,
  damageOf,
  type Manifest,
  removeUnfinished,
  rotateCheckpoints,
  writeCheckpoint,
} from "./checkpoint.js";
import type { Position, TrainSnapshot } from "./options.js";
import { treeFile, treeOf } from "./state-file.js";
import type { TrainState } from "./step.js";

/** Everything that the run remembers, bit for bit: optimizer, weights, sums of the logging interval. */
export const STATE = "training_state.safetensors";
/** Where the run stands, and which run it is. */
export const RUN = "run.json";

/** How a snapshot is saved. */
export interface SnapshotOptions {
  /** Snapshots that are kept; the older are removed once a newer one is whole. Default 2. */
  readonly keep?: number;
  /** What tells this run from others, and comes back with the snapshot: settings, a digest of the data. JSON. */
  readonly about?: JsonObject;
  /** Puts more into the snapshot's folder, such as the model: `(into) => saveModel(into, model)`. */
  readonly write?: (into: Folder) => Promise<void>;
}

/** A snapshot that was saved. */
export interface SavedSnapshot extends Position {
  /** As it was saved with. */
  readonly about: JsonObject;
  readonly folder: Folder;
  /** For `train`: its state, in the structure of the run that goes on. Errors: InputError for one of another structure. */
  readonly resume: (initial: TrainState) => Promise<TrainSnapshot>;
}

/**
 * Saves a snapshot of `train` as `checkpoint-N` in a folder (a path, or a `Folder`, such as one of a browser's own storage), with
 * the manifest of a run's checkpoints: it counts once it is whole, and what a closed tab or a lost device leaves of one does not.
 * Law: `lastSnapshot`, `train` from there ≡ uninterrupted, bit for bit.
 * Errors: InputError for a folder that cannot be written, or is full; the snapshots before it stay then.
 */
export const saveSnapshot = async (
  folder: string | Folder,
  snapshot: TrainSnapshot,
  options: SnapshotOptions = {},
): Promise<void> => {
  expects("saveSnapshot", "folder record {keep:integer,about:record,write:function}", folder, snapshot, options);
  const { state, step, batches, tokens } = snapshot;
  if (!Number.isSafeInteger(step))
    throw new InputError("saveSnapshot: is given no snapshot; step.snapshot() gives one");
  const { keep = 2, about = {}, write } = options;
  if (keep < 1) throw new InputError(`saveSnapshot: keep is ${keep}; it must be at least 1`);
  const place = folderFrom(folder);
  await writeCheckpoint(place, step, async (into) => {
    const text = `${JSON.stringify({ step, batches, tokens, about }, null, 1)}\n`;
    await inTurn(together([treeFile(into.pathOf(STATE), () => into.begin(STATE), state), textFile(into, RUN, text)]));
    await write?.(into);
  });
  await rotateCheckpoints(place, keep);
};

const lacking = ({ names }: Manifest): string | undefined => {
  const missing = [STATE, RUN].find((name) => !names.has(name));
  return missing && `its manifest knows of no ${missing}`;
};

/** Where a saved run stood. Errors: InputError for what another program wrote. */
function* runIn(folder: Folder): Work<Position & { readonly about: JsonObject }> {
  const found = yield* jsonIn(folder, RUN);
  const { step, batches, tokens, about } = found ?? {};
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!isCount(step) || !isCount(batches) || !isCount(tokens) || !isObject(about))
    throw new InputError(`${folder.pathOf(RUN)}: says not where the run stood`);
  return { step, batches, tokens, about };
}

/**
 * The newest snapshot in a folder that is whole, to go on from; undefined if there is none. What was begun and not ended is
 * removed: one tab writes to a folder. `tell` hears, in one line, of each that is damaged and passed over.
 * Errors: InputError if there are some, and all damaged.
 *
 * ```ts
 * const last = await lastSnapshot(folder);
 * const batches = batchesFrom(source, last?.batches);
 * for await (const { step, snapshot } of train({ ...options, batches, resume: last?.resume }, device))
 *   if (step % 50 === 0) await saveSnapshot(folder, await snapshot());
 * ```
 */
export const lastSnapshot = async (
  folder: string | Folder,
  options: { readonly tell?: (line: string) => void } = {},
): Promise<SavedSnapshot | undefined> => {
  expects("lastSnapshot", "folder {tell:function}", folder, options);
  const place = folderFrom(folder);
  await removeUnfinished(place);
  const damaged: string[] = [];
  for (const { folder: at } of (await checkpointsIn(place)).reverse()) {
    const damage = await damageOf(at, lacking);
    if (damage !== undefined) {
      damaged.push(`${at.path} is damaged (${damage})`);
      continue;
    }
    const run = await inTurn(runIn(at));
    for (const line of damaged) options.tell?.(`warning: ${line}; going on from step ${run.step} instead`);
    const { about, ...position } = run;
    const loaded = function* (initial: TrainState): Work<TrainSnapshot> {
      return { ...position, state: yield* treeOf(yield* fileIn(at, STATE), initial) };
    };
    return { ...run, folder: at, resume: (initial) => inTurn(loaded(initial)) };
  }
  if (damaged.length === 0) return undefined;
  throw new InputError(`${damaged.join(", ")}; no snapshot is whole: remove them to start from the beginning`);
};
