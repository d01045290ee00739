import { expects } from "../../core/expects.js";
import { InputError } from "../../core/index.js";
import type { Folder, StoredFile } from "./folder.js";

/** A file that is all there: bytes, or a browser's Blob or File, which is read in slices. */
export type FileContent = Uint8Array | Blob;

/** A file at hand. Errors (of reading): InputError for a Blob that the browser cannot read any more. */
export const memoryFile = (path: string, from: FileContent): StoredFile => {
  const size = from instanceof Blob ? from.size : from.length;
  const slice = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> => {
    try {
      return new Uint8Array(await blob.arrayBuffer());
    } catch (error) {
      throw new InputError(
        `${path}: cannot be read (${(error as Error).message}); has it changed since it was chosen?`,
      );
    }
  };
  return {
    ...{ path, size },
    read: (begin, end) =>
      from instanceof Blob ? slice(from.slice(begin, end)) : new Uint8Array(from.subarray(begin, end)),
    whole: (most) => {
      if (size > most) throw new InputError(`${path}: has ${size} bytes, at most ${most} are read`);
      return from instanceof Blob ? slice(from) : from;
    },
  };
};

/** What a file of a folder in memory may be given as: its bytes, its text, or the object that its JSON is. */
export type GivenFile = FileContent | string | Readonly<Record<string, unknown>>;

/** A folder in memory. */
export interface MemoryFolder extends Folder {
  /** What lies in it now, by name ("folder/file" in folders of it): to hand it out, or to keep it. */
  readonly files: () => ReadonlyMap<string, FileContent>;
}

const contentOf = (given: GivenFile): FileContent => {
  if (given instanceof Uint8Array || given instanceof Blob) return given;
  return new TextEncoder().encode(typeof given === "string" ? given : JSON.stringify(given));
};

/** A file that a user chose, whose place in the chosen folder browsers tell. */
type Chosen = Blob & { readonly name?: string; readonly webkitRelativePath?: string };

/** Names of chosen files, without the chosen folder's own. */
const chosenNames = (files: readonly Chosen[]): readonly (readonly [string, FileContent])[] =>
  files.map((file, i) => {
    if (!(file instanceof Blob) || typeof file.name !== "string")
      throw new InputError(`folderOf: number ${i} of the list is no file with a name; or write { "config.json": … }`);
    return [file.webkitRelativePath?.replace(/^[^/]*\//, "") || file.name, file];
  });

/**
 * A folder in memory: of files by name (as bytes, Blob, text, or the object of a JSON file), or of the files that a user chose or
 * dropped. It can be written too; `files` hands out what lies in it.
 * Errors: InputError for a list of what are no files.
 * @example [...folderOf({ "config.json": { model_type: "llama" }, "merges.txt": "" }).files().keys()].length // 2
 */
export const folderOf = (
  files: Readonly<Record<string, GivenFile>> | readonly Chosen[] = {},
  name = "memory",
): MemoryFolder => {
  expects("folderOf", Array.isArray(files) ? "array text?" : "record text?", files, name);
  const given = Array.isArray(files)
    ? chosenNames(files)
    : Object.entries(files as Readonly<Record<string, GivenFile>>).map(([at, file]) => [at, contentOf(file)] as const);
  return within(new Map(given), name, "");
};

const within = (files: Map<string, FileContent>, path: string, before: string): MemoryFolder => {
  const pathOf = (name: string): string => `${path}/${name}`;
  const own = (): string[] =>
    [...files.keys()].filter((at) => at.startsWith(before)).map((at) => at.slice(before.length));
  return {
    ...{ path, pathOf },
    files: () => new Map(own().map((at) => [at, files.get(before + at) as FileContent])),
    isThere: () => before === "" || own().length > 0,
    file: (name) => {
      const content = files.get(before + name);
      return content && memoryFile(pathOf(name), content);
    },
    names: () => [...new Set(own().map((at) => at.split("/")[0]))],
    within: (name) => within(files, pathOf(name), `${before}${name}/`),
    begin: (name) => {
      const parts: Blob[] = [];
      return {
        put: (bytes) => void parts.push(new Blob([bytes as Uint8Array<ArrayBuffer>])), // a copy: the bytes may be used again
        finish: () => {},
        appear: () => void files.set(before + name, new Blob(parts)),
        discard: () => {},
      };
    },
    remove: (name) => {
      for (const at of [...files.keys()])
        if (at === before + name || at.startsWith(`${before}${name}/`)) files.delete(at);
    },
  };
};
