import { basename, join } from "node:path";
import { expects } from "../../core/expects.js";
import { isObject, show } from "../../models/files/json.js";
import { aside, isUnfinished } from "../../models/files/writing/atomic.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";
import { reasonOf } from "../../models/files/writing/system-error.js";
import { filesIn, fileWithin, jsonIn, textFile, together } from "../../models/folders/files.js";
import type { Folder, StoredFile } from "../../models/folders/folder.js";
import { atOnce, inTurn, ready, type Soon, type Work } from "../../models/folders/work.js";
import { folderFrom, workIn } from "../../models/folders/work-in.js";
import { diskFolder } from "../../models/platform/node/disk.js";
import { sha256 } from "../../models/platform/node/sha256.js";

/** Says of every other file of a checkpoint how long it is, and its sha256. Written last. */
const MANIFEST = "manifest.json";
const NAME = /^checkpoint-(\d{1,15})$/;
const CHUNK = 1 << 22;

/** The folder `checkpoint-N` of a run: its path, or wherever else it lies. */
export interface Checkpoint<F = string> {
  readonly step: number;
  readonly folder: F;
}

/** What a manifest says. */
export interface Manifest {
  readonly step: number;
  /** The checkpoint's files, as paths from its folder with "/" between their parts. */
  readonly names: ReadonlySet<string>;
}

/** The sha256 of a file, read in pieces between which others get their turn. */
function* hashed({ size, read }: StoredFile): Work<string> {
  const hash = sha256();
  for (let at = 0; at < size; at += CHUNK) {
    hash.update(yield* ready(read(at, Math.min(size, at + CHUNK))));
    if (at + CHUNK < size) yield* ready(new Promise<void>((then) => setTimeout(then)));
  }
  return hash.hex();
}

/** Removes a checkpoint, or what is left of one; removed only by half it must not look like one. */
function* discarded(place: Folder, name: string): Work<void> {
  if (place.rename === undefined) yield* ready(place.within(name).remove(MANIFEST));
  const doomed = place.rename === undefined ? name : aside(name);
  place.rename?.(name, doomed);
  yield* ready(place.remove(doomed));
}

/** Files of a folder as its manifest tells them; all of them are stored then, also after a power cut. */
function* manifestOf(folder: Folder, step: number): Work<string> {
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const name of yield* filesIn(folder)) {
    const file = (yield* ready(fileWithin(folder, name))) as StoredFile;
    files[name] = { bytes: file.size, sha256: yield* hashed(file) };
    yield* ready(file.settle?.());
  }
  return `${JSON.stringify({ version: 1, step, files }, null, 1)}\n`;
}

/**
 * Writes the folder `checkpoint-N` into `outputDir`, in place of one of that name: what `write` puts into the folder that it
 * is given, and a manifest. On the disk it appears whole, and on disk, or not at all; elsewhere, where no folder is renamed, it
 * counts once its manifest is there. Resolves to where it is.
 * Errors: those of `write` and of the place; nothing is left behind then.
 */
export const writeCheckpoint = async <F extends string | Folder>(
  outputDir: F,
  step: number,
  write: (folder: F) => Promise<void>,
): Promise<F> => {
  expects("writeCheckpoint", "folder number function", outputDir, step, write);
  const place = folderFrom(outputDir);
  const name = `checkpoint-${step}`;
  const unfinished = place.rename === undefined ? name : aside(name);
  const at = (named: string): F => (typeof outputDir === "string" ? join(outputDir, named) : place.within(named)) as F;
  try {
    if (place.rename === undefined) await inTurn(discarded(place, name));
    const into = at(unfinished);
    if (typeof into === "string") makeFolder(into);
    await write(into);
    const folder = place.within(unfinished);
    await inTurn(together([textFile(folder, MANIFEST, await inTurn(manifestOf(folder, step)))]));
    await folder.settle?.();
    if (place.rename !== undefined) {
      if (await place.within(name).isThere()) await inTurn(discarded(place, name));
      place.rename(unfinished, name);
    }
    await place.settle?.();
    return at(name);
  } catch (error) {
    await place.remove(unfinished);
    throw error;
  }
};

/** Names of the checkpoints in a folder, the oldest first. */
function* stepsIn(place: Folder): Work<number[]> {
  const steps: number[] = [];
  for (const name of yield* ready(place.names())) {
    const match = NAME.exec(name);
    if (match !== null && (yield* ready(place.within(name).isThere()))) steps.push(Number(match[1]));
  }
  return steps.sort((a, b) => a - b);
}

/** The checkpoints in a folder by their names, the oldest first. They may be damaged. A path is read at once. */
export function checkpointsIn(outputDir: string): Checkpoint[];
export function checkpointsIn(outputDir: Folder): Promise<Checkpoint<Folder>[]>;
export function checkpointsIn(outputDir: string | Folder): Soon<Checkpoint<string | Folder>[]> {
  expects("checkpointsIn", "folder", outputDir);
  return workIn(outputDir, function* (place) {
    return (yield* stepsIn(place)).map((step) => {
      const name = `checkpoint-${step}`;
      return { step, folder: typeof outputDir === "string" ? join(outputDir, name) : place.within(name) };
    });
  });
}

/** A path that stays in the folder it starts from. */
const isInside = (name: string): boolean =>
  !/[\\:\0]/.test(name) && name.split("/").every((part) => !["", ".", ".."].includes(part));

const isStep = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** What is wrong with one file of a manifest, in a few words. */
function* damageOfFile(folder: Folder, name: string, said: unknown): Work<string | undefined> {
  if (!isInside(name)) return `${MANIFEST} names ${show(name)}, which is no file of its folder`;
  if (!isObject(said) || !isStep(said.bytes) || typeof said.sha256 !== "string")
    return `${MANIFEST} says neither how long ${name} is nor what is in it`;
  const file = yield* ready(fileWithin(folder, name));
  if (file === undefined) return `${name} is missing`;
  if (file.size !== said.bytes) return `${name} has ${file.size} bytes, and was written with ${said.bytes}`;
  return (yield* hashed(file)) === said.sha256 ? undefined : `${name} is not as it was written`;
}

/**
 * What is wrong with a checkpoint, in a few words; undefined if it is whole: its manifest is of the step that the folder is
 * named by, every file in it is as it was written, and nothing is `lacking`, which is asked once the files are known to be so.
 */
export const damageOf = async (
  folder: string | Folder,
  lacking: (manifest: Manifest) => string | undefined = () => undefined,
): Promise<string | undefined> => {
  expects("damageOf", "folder function?", folder, lacking);
  const place = folderFrom(folder);
  const work = function* (): Work<string | undefined> {
    const manifest = yield* jsonIn(place, MANIFEST);
    if (manifest === undefined) return `there is no ${MANIFEST}`;
    const { version, step, files } = manifest;
    if (version !== 1 || !isStep(step) || !isObject(files)) return `${MANIFEST} is not one that this version writes`;
    const named = /(?:^|[\\/])checkpoint-(\d{1,15})[\\/]*$/.exec(place.path);
    if (named !== null && Number(named[1]) !== step) return `${MANIFEST} is that of step ${step}`;
    for (const [name, said] of Object.entries(files)) {
      const damage = yield* damageOfFile(place, name, said);
      if (damage !== undefined) return damage;
    }
    return lacking({ step, names: new Set(Object.keys(files)) });
  };
  return inTurn(work()).catch(reasonOf);
};

/**
 * Removes the oldest checkpoints above a number of them. One of the step `best` stays, and counts; the newest stays beside it,
 * also where one is to be kept. In a folder given by its path at once.
 */
export function rotateCheckpoints(outputDir: string, keep: number, best?: number): void;
export function rotateCheckpoints(outputDir: Folder, keep: number, best?: number): Promise<void>;
export function rotateCheckpoints(outputDir: string | Folder, keep: number, best?: number): Soon<void> {
  expects("rotateCheckpoints", "folder number number?", outputDir, keep, best);
  return workIn(outputDir, function* (place) {
    const all = yield* stepsIn(place);
    const others = all.filter((step) => step !== best);
    const room = others.length === all.length ? keep : others.at(-1) === all.at(-1) ? Math.max(1, keep - 1) : keep - 1;
    for (const step of others.slice(0, Math.max(0, others.length - room)))
      yield* discarded(place, `checkpoint-${step}`);
  });
}

/** Removes all checkpoints of a folder; returns their names. */
export const removeCheckpoints = (outputDir: string): readonly string[] =>
  checkpointsIn(outputDir).map(({ folder }) => {
    atOnce(discarded(diskFolder(outputDir), basename(folder)));
    return basename(folder);
  });

/**
 * Removes what a run that was killed has left of unfinished checkpoints and files. For the one process, or tab, that writes there.
 * In a folder given by its path at once.
 */
export function removeUnfinished(outputDir: string): void;
export function removeUnfinished(outputDir: Folder): Promise<void>;
export function removeUnfinished(outputDir: string | Folder): Soon<void> {
  expects("removeUnfinished", "folder", outputDir);
  return workIn(outputDir, function* (place) {
    for (const name of yield* ready(place.names())) {
      const isBegun = place.rename === undefined && NAME.test(name);
      const isLeft = isBegun && (yield* ready(place.within(name).file(MANIFEST))) === undefined;
      if (isUnfinished(name) || isLeft) yield* ready(place.remove(name));
    }
  });
}
