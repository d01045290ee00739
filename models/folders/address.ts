import { expects } from "../../core/expects.js";
import { InputError } from "../../core/index.js";
import type { Folder, StoredFile } from "./folder.js";
import { type AddressOptions, opened, type Requests, requests } from "./requests.js";

/** Bytes that are asked for at once: what is small comes along with what is beside it. */
const WINDOW = 2 ** 20;

/** A file whose parts are asked for as they are read. */
const rangedFile = (path: string, { fill, size, first }: Requests): StoredFile => {
  let held = { begin: 0, bytes: first };
  const read = async (begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (end > size) throw new InputError(`${path}: has ${size} bytes, ${end} were to be read`);
    const wanted = new Uint8Array(end - begin);
    const from = begin - held.begin;
    const known =
      from >= 0 && from < held.bytes.length ? held.bytes.subarray(from, from + wanted.length) : new Uint8Array();
    wanted.set(known);
    const at = begin + known.length;
    if (at === end) return wanted;
    if (end - at >= WINDOW) await fill(wanted.subarray(known.length), at);
    else {
      const bytes = new Uint8Array(Math.min(size - at, WINDOW));
      await fill(bytes, at);
      wanted.set(bytes.subarray(0, end - at), known.length);
      held = { begin: at, bytes };
    }
    return wanted;
  };
  return {
    ...{ path, size, read },
    whole: (most) => {
      if (size > most) throw new InputError(`${path}: has ${size} bytes, at most ${most} are read`);
      return read(0, size);
    },
  };
};

/**
 * A file at an address, read by requests for parts. Undefined where there is none (404, 410, or a page of HTML instead).
 * Errors: InputError for an address that cannot be read.
 */
export const addressFile = async (url: URL, options: AddressOptions = {}): Promise<StoredFile | undefined> => {
  const found = await opened(requests(url, options), WINDOW);
  return found && rangedFile(url.href, found);
};

/** Errors: InputError for what is no address. */
const addressOf = (address: unknown): URL => {
  try {
    const page = (globalThis as { readonly location?: { readonly href: string } }).location?.href;
    if (address instanceof URL || typeof address === "string") return new URL(address, page);
  } catch {
    // no address
  }
  throw new InputError(`folderAt: ${JSON.stringify(address) ?? "undefined"} is no address; write "https://…"`);
};

/**
 * A folder at an address, such as "https://…/resolve/main": files are asked for by name, and read in parts (HTTP range requests),
 * each part again where the connection breaks. Nothing is listed there, and nothing written.
 * Errors: InputError for what is no address; of its functions, for a server that refuses, or changes a file meanwhile.
 *
 * ```ts
 * const model = await loadModel(folderAt("https://example.org/model"), device);
 * ```
 */
export const folderAt = (address: string | URL, options: AddressOptions = {}): Folder => {
  const base = addressOf(address);
  expects("folderAt", "any {signal,headers,tell:function}", address, options);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  const pathOf = (name: string): string => {
    const url = new URL(base);
    url.pathname += encodeURIComponent(name);
    return url.href;
  };
  const found = new Map<string, Promise<StoredFile | undefined>>();
  const readOnly = (): never => {
    throw new InputError(`${base.href}: is read by requests, and nothing can be written there`);
  };
  return {
    path: base.href,
    pathOf,
    isThere: () => true,
    file: (name) => {
      const file = found.get(name) ?? addressFile(new URL(pathOf(name)), options);
      found.set(name, file);
      return file;
    },
    names: () => [],
    within: (name) => folderAt(pathOf(name), options),
    begin: readOnly,
    remove: readOnly,
  };
};
