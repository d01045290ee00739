import { InputError } from "../../core/errors.js";
import { checkedJson, type JsonObject, LARGEST_TEXT, textOf } from "../files/json.js";
import type { Folder, StoredFile, Unfinished } from "./folder.js";
import { ready, type Soon, type Work } from "./work.js";

/** Names of files in it, those of its folders as "folder/file". */
export function* filesIn(folder: Folder, before = ""): Work<string[]> {
  const found: string[] = [];
  for (const name of yield* ready(folder.names()))
    if ((yield* ready(folder.file(name))) !== undefined) found.push(before + name);
    else found.push(...(yield* filesIn(folder.within(name), `${before}${name}/`)));
  return found.sort();
}

/** Of a name with "/" in it the folder that it leads to, and the last part. */
const placeOf = (folder: Folder, name: string): readonly [Folder, string] => {
  const parts = name.split("/");
  const last = parts.pop() as string;
  return [parts.reduce((at, part) => at.within(part), folder), last];
};

/** The file of a name with "/" in it. */
export const fileWithin = (folder: Folder, name: string): Soon<StoredFile | undefined> => {
  const [at, last] = placeOf(folder, name);
  return at.file(last);
};

/** A text file; undefined if there is none. Errors: InputError if it is not UTF-8, or far too large. */
export function* textIn(folder: Folder, name: string): Work<string | undefined> {
  const file = yield* ready(folder.file(name));
  return file && textOf(file.path, yield* ready(file.whole(LARGEST_TEXT)));
}

/** A JSON object; undefined if there is no such file. Errors: InputError, as `textIn`, and for what is no JSON object. */
export function* jsonIn(folder: Folder, name: string): Work<JsonObject | undefined> {
  const text = yield* textIn(folder, name);
  return text === undefined ? undefined : checkedJson(folder.pathOf(name), text);
}

/** A file that must be there. Errors: InputError if it is not. */
export function* fileIn(folder: Folder, name: string): Work<StoredFile> {
  const file = yield* ready(folder.file(name));
  if (file === undefined) throw new InputError(`${folder.pathOf(name)}: no such file`);
  return file;
}

/** Puts bytes into a file on its way. */
export type Put = (bytes: Uint8Array) => Work<void>;

/** A file to be written: where, and what puts its bytes. */
export interface Pending {
  readonly begin: () => Soon<Unfinished>;
  readonly write: (put: Put) => Work<void>;
}

/**
 * Writes files so that a reader sees each either as it was or whole: all of them are stored to the last byte before the first
 * appears; they appear in order. Errors: those of places and of `write`; nothing is left behind then.
 */
export function* together(files: readonly Pending[]): Work<void> {
  const open: Unfinished[] = [];
  try {
    for (const { begin, write } of files) {
      const file = yield* ready(begin());
      open.push(file);
      yield* write(function* (bytes) {
        yield* ready(file.put(bytes));
      });
      yield* ready(file.finish());
    }
    while (open.length > 0) {
      yield* ready(open[0].appear());
      open.shift();
    }
  } catch (error) {
    for (const file of open) yield* ready(file.discard());
    throw error;
  }
}

/** A file to be written into a folder, or, as "folder/file", into one in it. */
export const bytesFile = (folder: Folder, name: string, bytes: Uint8Array): Pending => {
  const [at, last] = placeOf(folder, name);
  return { begin: () => at.begin(last), write: (put) => put(bytes) };
};

/** The same of a text. */
export const textFile = (folder: Folder, name: string, text: string): Pending =>
  bytesFile(folder, name, new TextEncoder().encode(text));
