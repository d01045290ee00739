import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { expects } from "../../core/expects.js";
import { folderExists, isObject, readJsonObject, show } from "../../models/files/json.js";
import { checkRegular } from "../../models/files/regular.js";
import { isUnfinished, writeTextAtomically } from "../../models/files/writing/atomic.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";
import { reasonOf } from "../../models/files/writing/system-error.js";

/** Says of every other file of a checkpoint how long it is, and its sha256. Written last. */
const MANIFEST = "manifest.json";
const NAME = /^checkpoint-(\d{1,15})$/;
const CHUNK = 1 << 22;

/** The folder `checkpoint-N` of a run. */
export interface Checkpoint {
  readonly step: number;
  readonly folder: string;
}

/** What a manifest says. */
export interface Manifest {
  readonly step: number;
  /** The checkpoint's files, as paths from its folder with "/" between their parts. */
  readonly names: ReadonlySet<string>;
}

/** Sees to it that names in a folder survive a power cut. Windows cannot, and does not need to. */
const syncFolder = (folder: string): void => {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const hashed = async (path: string, { sync }: { readonly sync: boolean }): Promise<string> => {
  // Windows flushes only what is open for writing.
  const file = await open(path, sync ? "r+" : "r");
  try {
    const hash = createHash("sha256");
    const chunk = new Uint8Array(CHUNK);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
    }
    if (sync) await file.sync();
    return hash.digest("hex");
  } finally {
    await file.close();
  }
};

/** The files of a folder and its folders, in the manifest's spelling. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => name.split(sep).join("/"))
    .sort();

let serial = 0;

/** A name that no checkpoint has, for a folder on its way in or out. */
const aside = (folder: string): string => `${folder}.${process.pid}-${serial++}.tmp`;

const discard = (folder: string): void => {
  const doomed = aside(folder);
  // Renamed first: a checkpoint that is removed only by half must not look like one.
  renameSync(folder, doomed);
  rmSync(doomed, { recursive: true, force: true });
};

/**
 * Writes the folder `checkpoint-N` into `outputDir`, in place of one of that name: what `write` puts into the folder that it
 * is given, and a manifest. It appears whole, and on disk, or not at all. Resolves to its path.
 * Errors: those of `write` and of the file system; nothing is left behind then.
 */
export const writeCheckpoint = async (
  outputDir: string,
  step: number,
  write: (folder: string) => Promise<void>,
): Promise<string> => {
  expects("writeCheckpoint", "text number function", outputDir, step, write);
  const folder = join(outputDir, `checkpoint-${step}`);
  const unfinished = aside(folder);
  try {
    makeFolder(unfinished);
    await write(unfinished);
    const files: Record<string, { bytes: number; sha256: string }> = {};
    for (const name of filesIn(unfinished)) {
      const path = join(unfinished, name);
      files[name] = { bytes: statSync(path).size, sha256: await hashed(path, { sync: true }) };
    }
    writeTextAtomically(join(unfinished, MANIFEST), `${JSON.stringify({ version: 1, step, files }, null, 1)}\n`);
    syncFolder(unfinished);
    if (folderExists(folder)) discard(folder);
    renameSync(unfinished, folder);
    syncFolder(dirname(folder));
    return folder;
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
};

/** The checkpoints in a folder by their names, the oldest first. They may be damaged. */
export const checkpointsIn = (outputDir: string): Checkpoint[] => {
  expects("checkpointsIn", "text", outputDir);
  if (!folderExists(outputDir)) return [];
  return readdirSync(outputDir)
    .flatMap((name) => {
      const match = NAME.exec(name);
      const folder = join(outputDir, name);
      return match !== null && folderExists(folder) ? [{ step: Number(match[1]), folder }] : [];
    })
    .sort((a, b) => a.step - b.step);
};

/** A path that stays in the folder it starts from. */
const isInside = (name: string): boolean =>
  !/[\\:\0]/.test(name) && name.split("/").every((part) => !["", ".", ".."].includes(part));

const isStep = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** What is wrong with one file of a manifest, in a few words. */
const damageOfFile = async (folder: string, name: string, said: unknown): Promise<string | undefined> => {
  if (!isInside(name)) return `${MANIFEST} names ${show(name)}, which is no file of its folder`;
  if (!isObject(said) || !isStep(said.bytes) || typeof said.sha256 !== "string")
    return `${MANIFEST} says neither how long ${name} is nor what is in it`;
  const path = join(folder, name);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  checkRegular(path);
  if (size === undefined) return `${name} is missing`;
  if (size !== said.bytes) return `${name} has ${size} bytes, and was written with ${said.bytes}`;
  if ((await hashed(path, { sync: false })) !== said.sha256) return `${name} is not as it was written`;
  return undefined;
};

/**
 * What is wrong with a checkpoint, in a few words; undefined if it is whole: its manifest is of the step that the folder is
 * named by, every file in it is as it was written, and nothing is `lacking`, which is asked once the files are known to be so.
 */
export const damageOf = async (
  folder: string,
  lacking: (manifest: Manifest) => string | undefined = () => undefined,
): Promise<string | undefined> => {
  try {
    const { version, step, files } = readJsonObject(join(folder, MANIFEST));
    if (version !== 1 || !isStep(step) || !isObject(files)) return `${MANIFEST} is not one that this version writes`;
    const named = NAME.exec(basename(folder));
    if (named !== null && Number(named[1]) !== step) return `${MANIFEST} is that of step ${step}`;
    for (const [name, said] of Object.entries(files)) {
      const damage = await damageOfFile(folder, name, said);
      if (damage !== undefined) return damage;
    }
    return lacking({ step, names: new Set(Object.keys(files)) });
  } catch (error) {
    return reasonOf(error);
  }
};

/**
 * Removes the oldest checkpoints above a number of them. One of the step `best` stays, and counts; the newest stays beside it,
 * also where one is to be kept.
 */
export const rotateCheckpoints = (outputDir: string, keep: number, best?: number): void => {
  expects("rotateCheckpoints", "text number number?", outputDir, keep, best);
  const all = checkpointsIn(outputDir);
  const others = all.filter(({ step }) => step !== best);
  const room = others.length === all.length ? keep : others.at(-1) === all.at(-1) ? Math.max(1, keep - 1) : keep - 1;
  for (const { folder } of others.slice(0, Math.max(0, others.length - room))) discard(folder);
};

/** Removes all checkpoints of a folder; returns their names. */
export const removeCheckpoints = (outputDir: string): readonly string[] =>
  checkpointsIn(outputDir).map(({ folder }) => {
    discard(folder);
    return basename(folder);
  });

/** Removes what a run that was killed has left of unfinished checkpoints and files. For the one process that writes there. */
export const removeUnfinished = (outputDir: string): void => {
  expects("removeUnfinished", "text", outputDir);
  if (!folderExists(outputDir)) return;
  for (const name of readdirSync(outputDir))
    if (isUnfinished(name)) rmSync(join(outputDir, name), { recursive: true, force: true });
};
