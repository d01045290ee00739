import { lstatSync, mkdirSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { InputError } from "../../../core/errors.js";
import { folderExists } from "../json.js";

const isThere = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // below a file, or what may not be looked at: making it says which
  }
};

/**
 * Makes a folder and those that it lies in; returns what was missing, the innermost first. One by one: where nothing can be made
 * (/proc), Node's own recursive way tries for ever. Errors: the file system's, and InputError for a link that leads to nothing; nothing is made then.
 */
export const makeFolder = (folder: string, tries = 100): readonly string[] => {
  const missing: string[] = [];
  for (let at = resolve(folder); !isThere(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  try {
    for (const path of missing) {
      try {
        mkdirSync(path);
        made.unshift(path);
      } catch (error) {
        const there = lstatSync(path, { throwIfNoEntry: false });
        if (there?.isDirectory() || folderExists(path)) continue; // somebody else was faster
        // … and has taken it, or where it lies, away again; where nothing can be made (/proc) it looks like that each time.
        if (there === undefined && tries > 0) return [...makeFolder(folder, tries - 1), ...made];
        const leads = there?.isSymbolicLink() === true;
        if (!leads) throw error;
        throw new InputError(
          `${path}: is a link to ${readlinkSync(path)}, which is no folder; remove it, or make that one`,
        );
      }
    }
    return made;
  } catch (error) {
    removeEmpty(made);
    throw error;
  }
};

/** Removes folders that are empty, the innermost first. */
export const removeEmpty = (folders: readonly string[]): void => {
  for (const folder of folders) {
    try {
      rmdirSync(folder);
    } catch {
      return; // somebody has put something there, or it is gone
    }
  }
};
