import { expects } from "../../core/expects.js";
import { InputError } from "../../core/index.js";
import type { Folder, Unfinished } from "./folder.js";
import { memoryFile } from "./memory.js";

interface FileHandle {
  readonly getFile: () => Promise<Blob>;
  readonly createWritable?: () => Promise<{
    readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
    readonly close: () => Promise<void>;
    readonly abort: () => Promise<void>;
  }>;
}

/** What is used of a browser's `FileSystemDirectoryHandle`, which TypeScript knows with the DOM library alone. */
export interface DirectoryHandle {
  readonly name: string;
  readonly getFileHandle: (name: string, options?: { readonly create?: boolean }) => Promise<FileHandle>;
  readonly getDirectoryHandle: (name: string, options?: { readonly create?: boolean }) => Promise<DirectoryHandle>;
  readonly removeEntry: (name: string, options?: { readonly recursive?: boolean }) => Promise<void>;
  readonly keys: () => AsyncIterable<string>;
}

/** What to do about what a browser refuses, by the names of its errors. */
const WORDS: Readonly<Record<string, string>> = {
  NotAllowedError:
    'the user has not allowed it; await handle.requestPermission({ mode: "readwrite" }) where they click',
  QuotaExceededError: "the browser's storage for this site is full; remove something, or let the user choose a folder",
  NoModificationAllowedError: "it is being written elsewhere, in another tab perhaps",
  InvalidStateError: "it has changed, or is gone",
};
const nameOf = (error: unknown): string => (error as { readonly name?: string } | undefined)?.name ?? "";
const refused = (path: string, what: string, error: unknown): InputError =>
  new InputError(`${path}: cannot be ${what} (${nameOf(error)}: ${WORDS[nameOf(error)] ?? (error as Error).message})`);

/** Runs what a browser may refuse. Errors: InputError; undefined for what is not there, or is of the other kind. */
const orNothing = async <T>(path: string, what: string, run: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await run();
  } catch (error) {
    if (nameOf(error) === "NotFoundError" || nameOf(error) === "TypeMismatchError") return undefined;
    throw refused(path, what, error);
  }
};

type Open = (create: boolean) => Promise<DirectoryHandle | undefined>;

/**
 * A folder behind a `FileSystemDirectoryHandle`: one that the user chose (`showDirectoryPicker`), or of the browser's own storage
 * (`await navigator.storage.getDirectory()`). Read, and written: a file appears whole when it is closed.
 * Errors (of its functions): InputError for what the browser refuses, with its name for it and what to do.
 *
 * ```ts
 * await saveModel(folderIn(await navigator.storage.getDirectory()).within("model"), model);
 * ```
 */
export const folderIn = (handle: DirectoryHandle): Folder => {
  expects("folderIn", "record", handle);
  if (typeof handle.getDirectoryHandle !== "function")
    throw new InputError("folderIn: is given no FileSystemDirectoryHandle; folderOf takes files by name");
  return folderBehind(async () => handle, handle.name === "" ? "storage" : handle.name);
};

const folderBehind = (open: Open, path: string): Folder => {
  const pathOf = (name: string): string => `${path}/${name}`;
  return {
    ...{ path, pathOf },
    isThere: async () => (await open(false)) !== undefined,
    file: (name) =>
      orNothing(pathOf(name), "read", async () => {
        const file = await (await open(false))?.getFileHandle(name);
        return file && memoryFile(pathOf(name), await file.getFile());
      }),
    names: async () => {
      const found: string[] = [];
      for await (const name of (await open(false))?.keys() ?? []) found.push(name);
      return found;
    },
    within: (name) =>
      folderBehind(
        (create) =>
          orNothing(pathOf(name), create ? "written" : "read", async () =>
            (await open(create))?.getDirectoryHandle(name, { create }),
          ),
        pathOf(name),
      ),
    begin: async (name) => {
      const file = await orNothing(pathOf(name), "written", async () =>
        (await open(true))?.getFileHandle(name, { create: true }),
      );
      if (file === undefined)
        throw new InputError(`${pathOf(name)}: cannot be written: there is something of another kind`);
      return unfinished(pathOf(name), file);
    },
    remove: async (name) => {
      await orNothing(pathOf(name), "removed", async () => (await open(false))?.removeEntry(name, { recursive: true }));
    },
  };
};

const unfinished = async (path: string, file: FileHandle): Promise<Unfinished> => {
  if (file.createWritable === undefined)
    throw new InputError(`${path}: cannot be written: this browser's handles have no createWritable`);
  const attempt = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw refused(path, "written", error);
    }
  };
  const writable = await attempt(() => (file.createWritable as NonNullable<FileHandle["createWritable"]>)());
  return {
    put: (bytes) => attempt(() => writable.write(bytes as Uint8Array<ArrayBuffer>)),
    finish: () => {},
    appear: () => attempt(() => writable.close()),
    discard: () => writable.abort().catch(() => {}),
  };
};
