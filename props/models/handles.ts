/** A browser's folders behind handles, in memory, as the File System standard has them. */
import type { DirectoryHandle } from "../../models/index.js";

/** An error of a browser's, by its name. */
const named = (name: string): Error => new DOMException(`refused in a law: ${name}`, name);

/** What may be broken: bytes that still fit, and whether anything may be written. */
export interface Storage {
  room: number;
  mayWrite: boolean;
}

/** The handle of an empty folder. */
export const memoryHandle = (name = "", storage: Storage = { room: 2 ** 30, mayWrite: true }): DirectoryHandle => {
  const files = new Map<string, Blob>();
  const folders = new Map<string, DirectoryHandle>();
  const checkWrite = (create: boolean) => {
    if (create && !storage.mayWrite) throw named("NotAllowedError");
  };
  const writable = async (at: string) => {
    const parts: Blob[] = [];
    return {
      write: async (bytes: Uint8Array<ArrayBuffer>) => {
        await new Promise((then) => setImmediate(then)); // whoever does not wait writes what comes next
        if (bytes.length > storage.room) throw named("QuotaExceededError");
        storage.room -= bytes.length;
        parts.push(new Blob([bytes]));
      },
      close: async () => void files.set(at, new Blob(parts)),
      abort: async () => {
        storage.room += parts.reduce((sum, { size }) => sum + size, 0);
      },
    };
  };
  return {
    name,
    getFileHandle: async (at, { create = false } = {}) => {
      checkWrite(create);
      if (folders.has(at)) throw named("TypeMismatchError");
      if (create && !files.has(at)) files.set(at, new Blob([]));
      if (!files.has(at)) throw named("NotFoundError");
      return { getFile: async () => files.get(at) as Blob, createWritable: () => writable(at) };
    },
    getDirectoryHandle: async (at, { create = false } = {}) => {
      checkWrite(create);
      if (files.has(at)) throw named("TypeMismatchError");
      const found = folders.get(at) ?? (create ? memoryHandle(at, storage) : undefined);
      if (found === undefined) throw named("NotFoundError");
      folders.set(at, found);
      return found;
    },
    removeEntry: async (at) => {
      checkWrite(true);
      if (!files.delete(at) && !folders.delete(at)) throw named("NotFoundError");
    },
    async *keys() {
      yield* [...files.keys(), ...folders.keys()];
    },
  };
};
