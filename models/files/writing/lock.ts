import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { process } from "../../platform/node/globals.js";
import { folderExists, isObject } from "../json.js";
import { openRegular } from "../regular.js";
import { openHeart } from "./heart.js";
import { DEAD_AFTER, described, type Holder, isGone, thisProcess } from "./holder.js";
import { makeFolder, removeEmpty } from "./make-folder.js";
import { isSystemError, reasonOf } from "./system-error.js";

/** The file in a folder that says who writes there. */
export const LOCK = ".taugrad.lock";

/** A folder that this process alone writes into. */
export interface Lock {
  /** Is it still this process's? `gone`: the folder was removed or renamed; `lost`: another process has taken it over. */
  readonly state: () => "held" | "gone" | "lost";
  /** Gives it back; folders that were made for it go if they are empty. Harmless when called twice. */
  readonly release: () => void;
}

/** What stands in a lock, and when it last changed; nothing in one that is none of ours, or not written yet. */
interface Found {
  readonly holder: Partial<Holder>;
  readonly mtimeMs: number;
}

const parsed = (text: string): Partial<Holder> => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
};

/** Reads a lock; undefined if there is none. */
const readLock = (path: string): Found | undefined => {
  let file: number;
  try {
    file = openRegular(path);
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    throw error;
  }
  try {
    return { holder: parsed(readFileSync(file, "utf8")), mtimeMs: fstatSync(file).mtimeMs };
  } finally {
    closeSync(file);
  }
};

/** What file systems without links say of one. */
const WITHOUT_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

/** Makes a name for a file that is written already; false if the name is there. */
export const makes = (path: string, temporary: string): boolean => {
  const unlessThere = (make: () => void): boolean => {
    try {
      make();
      return true;
    } catch (error) {
      if (isSystemError(error) && error.code === "EEXIST") return false;
      throw error;
    }
  };
  try {
    return unlessThere(() => linkSync(temporary, path));
  } catch (error) {
    if (!isSystemError(error) || !WITHOUT_LINKS.includes(error.code)) throw error;
    // For a moment the file is empty, and counts as somebody's.
    return unlessThere(() => copyFileSync(temporary, path, constants.COPYFILE_EXCL));
  }
};

/**
 * Puts `temporary` at `path`, where nothing is or what a dead holder has left; returns the dead one, if there was. The file system
 * lets one of many make a name. A dead holder's lock is replaced by whoever makes the name that belongs to that lock alone, so
 * that nobody replaces a successor's. Errors: InputError naming a holder that lives.
 */
const take = (path: string, temporary: string, me: Holder, folder: string): Partial<Holder> | undefined => {
  for (;;) {
    if (makes(path, temporary)) return undefined;
    const found = readLock(path);
    if (found === undefined) continue; // given back meanwhile
    const { holder } = found;
    // Both times are the file system's own, whose clock may differ from this machine's.
    const silence = Math.max(0, (statSync(temporary).mtimeMs - found.mtimeMs) / 1000);
    if (!isGone(holder, me, silence))
      throw new InputError(
        `${folder}: ${described(holder)} writes there (${path}, last sign of life ${silence.toFixed(0)} s ago; on another machine it counts as gone after ${DEAD_AFTER} s); wait for its end, or choose another folder`,
      );
    const claim = `${path}.${String(holder.id).replace(/[^\w-]/g, "")}`;
    take(claim, temporary, me, folder);
    const isSame = readLock(path)?.holder.id === holder.id;
    if (isSame) {
      // A copy: the claim before it may have been taken in the same way.
      const copy = `${temporary}.${randomUUID()}`;
      copyFileSync(temporary, copy);
      renameSync(copy, path);
    }
    rmSync(claim, { force: true });
    if (isSame) return holder;
  }
};

/**
 * Takes a folder for this process, and makes it if it is missing: LOCK in it names process, machine and time. What a dead process
 * left is taken over, and `tell` hears of it. Given back by `release`, and at every end of the process that can be caught.
 * Errors: InputError naming the holder that writes there, or for a folder that cannot be made or written.
 */
export const lockFolder = (folder: string, what: string, tell: (line: string) => void): Lock => {
  const me = thisProcess(randomUUID(), what);
  const path = join(folder, LOCK);
  const temporary = `${path}.${me.id}.new`;
  const text = `${JSON.stringify(me)}\n`;
  let made: readonly string[] = [];
  let before: Partial<Holder> | undefined;
  try {
    made = makeFolder(folder);
    writeFileSync(temporary, text, { flag: "wx" });
    before = take(path, temporary, me, folder);
    rmSync(temporary, { force: true });
  } catch (error) {
    if (folderExists(folder)) rmSync(temporary, { force: true });
    removeEmpty(made);
    throw isSystemError(error) ? new InputError(`${folder}: cannot be written to (${reasonOf(error)})`) : error;
  }
  if (before !== undefined) tell(`note: ${folder}: taken over from ${described(before)}, which is gone`);
  const heart = openHeart();
  heart.add(path, text);
  let isReleased = false;
  const state: Lock["state"] = () => {
    const found = readLock(path);
    return found === undefined ? "gone" : found.holder.id === me.id ? "held" : "lost";
  };
  const release = (): void => {
    if (isReleased) return;
    process.off("exit", release);
    heart.stop();
    try {
      if (state() === "held") rmSync(path, { force: true });
      removeEmpty(made);
    } catch {
      // the folder cannot be written any more: what stands there names a process that will be gone
    }
    isReleased = true;
  };
  process.on("exit", release);
  return { state, release };
};
