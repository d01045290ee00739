import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { together } from "../../folders/files.js";
import type { Unfinished } from "../../folders/folder.js";
import { atOnce } from "../../folders/work.js";
import { process } from "../../platform/node/globals.js";
import { unwritten, writeAll } from "./append.js";
import { makeFolder, removeEmpty } from "./make-folder.js";

let serial = 0;

/** Of this process: on another machine that shares the folder one may have the same number. */
let token: string | undefined;

/** Is it a name under which something is written, that has its own name once it is whole? */
export const isUnfinished = (name: string): boolean => /\.\d+(-\d+(-[0-9a-f]{8})?)?\.tmp$/.test(name);

/** A name that nothing has, for what is on its way to a path, or away from it. */
export const aside = (path: string): string => {
  token ??= randomUUID().slice(0, 8);
  return `${path}.${process.pid}-${serial++}-${token}.tmp`;
};

/**
 * Begins to write a file under a temporary name, in a folder that is made if it is missing; renamed once it is on disk.
 * Errors: InputError for what cannot be written.
 */
export const beginFile = (path: string): Unfinished => {
  const name = aside(path);
  let made: readonly string[] = [];
  let handle: number | undefined;
  const attempt = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw unwritten(error, [path]);
    }
  };
  const close = (): void => {
    if (handle !== undefined) closeSync(handle);
    handle = undefined;
  };
  const discard = (): void => {
    close();
    rmSync(name, { force: true });
    removeEmpty(made);
  };
  attempt(() => {
    made = makeFolder(dirname(path));
    try {
      handle = openSync(name, "wx");
    } catch (error) {
      removeEmpty(made);
      throw error;
    }
  });
  return {
    put: (bytes) => attempt(() => writeAll(handle as number, bytes)),
    finish: () =>
      attempt(() => {
        fsyncSync(handle as number);
        close();
      }),
    appear: () => attempt(() => renameSync(name, path)),
    discard,
  };
};

/** Writes one text file whole or not at all (UTF-8). Errors: InputError for what cannot be written. */
export const writeTextAtomically = (path: string, text: string): void =>
  atOnce(together([{ begin: () => beginFile(path), write: (put) => put(new TextEncoder().encode(text)) }]));
