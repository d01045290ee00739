import type { Soon } from "./work.js";

/** A file as it is read: in parts. */
export interface StoredFile {
  /** What messages call it. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** The bytes from `begin` up to `end`, in memory of their own. Errors: InputError if there are not so many. */
  readonly read: (begin: number, end: number) => Soon<Uint8Array<ArrayBuffer>>;
  /** Sees to it that it is stored also after a power cut, whoever wrote it. */
  readonly settle?: () => Soon<void>;
  /** All of it, if it has at most so many bytes. Errors: InputError if it has more. */
  readonly whole: (most: number) => Soon<Uint8Array>;
}

/** A file on its way: nobody sees it before it appears. */
export interface Unfinished {
  readonly put: (bytes: Uint8Array) => Soon<void>;
  /** No more is put: all of it is stored. */
  readonly finish: () => Soon<void>;
  /** Takes its name, in place of what had it. */
  readonly appear: () => Soon<void>;
  /** Nothing is left of it. */
  readonly discard: () => Soon<void>;
}

/**
 * A folder of files, wherever it lies: on the disk (`diskFolder`), at an address (`folderAt`), in memory (`folderOf`), or behind a
 * handle of a browser's (`folderIn`). Names within it have no "/".
 */
export interface Folder {
  /** What messages call it. */
  readonly path: string;
  /** What messages call a file of it. */
  readonly pathOf: (name: string) => string;
  readonly isThere: () => Soon<boolean>;
  /** A file; undefined if there is none of that name. Errors: InputError for one that cannot be read. */
  readonly file: (name: string) => Soon<StoredFile | undefined>;
  /** Names of files and folders in it; none where it is not there, and where nothing lists them, as at an address. */
  readonly names: () => Soon<readonly string[]>;
  /** Is a file of it, or of a folder in it ("folder/file"), a link to what belongs to somebody else? */
  readonly leadsOut?: (name: string) => boolean;
  /** A folder in it, there or not. */
  readonly within: (name: string) => Folder;
  /** Begins to write a file; makes the folder if it is missing. Errors: InputError where nothing can be written. */
  readonly begin: (name: string) => Soon<Unfinished>;
  /** Gives a folder in it another name, at once, where a place can. */
  readonly rename?: (from: string, to: string) => void;
  /** Sees to it that the names in it stand also after a power cut. */
  readonly settle?: () => void;
  /** Removes a file, or a folder with all that is in it; nothing if there is none. */
  readonly remove: (name: string) => Soon<void>;
}
