import { InputError } from "../../../core/errors.js";
import { oneLine } from "../../../models/files/json.js";
import { parseJson } from "../../../models/files/written-json.js";

/** A row of a data file as it lies there, and where it stands: the bytes of its JSON, or what another reader made of it. */
export type RawRow = { readonly at: string } & ({ readonly json: Uint8Array } | { readonly value: unknown });

/** The value of a row. Errors: InputError that begins with its place. */
export const rowValue = (row: RawRow): unknown => ("json" in row ? parse(row.json, row.at) : row.value);

/** Longest row in bytes, unless somebody asks for more, so that a file without line breaks cannot fill the memory. */
export const LONGEST_ROW = 1 << 21;

const [NEWLINE, QUOTE, BACKSLASH, COMMA] = [10, 34, 92, 44];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];

/** Space, tab, line breaks, and the bytes of a byte order mark. */
const isBlank = (byte: number): boolean =>
  byte === 32 || (byte >= 9 && byte <= 13) || byte === 0xef || byte === 0xbb || byte === 0xbf;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Errors: InputError for what is no UTF-8. A byte order mark is dropped. */
const textOf = (bytes: Uint8Array, at: string): string => {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new InputError(`${at}: is not UTF-8 text`);
  }
};

const parse = (bytes: Uint8Array, at: string): unknown => {
  const text = textOf(bytes, at);
  try {
    return parseJson(text);
  } catch (error) {
    throw new InputError(`${at}: malformed JSON (${oneLine(error instanceof Error ? error.message : String(error))})`);
  }
};

const joined = (parts: readonly Uint8Array[], size: number): Uint8Array => {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/** Gathers the bytes of one row over the borders of chunks. */
const gatherer = (longest: number) => {
  let parts: Uint8Array[] = [];
  let size = 0;
  return {
    add: (part: Uint8Array, at: () => string): void => {
      size += part.length;
      if (size > longest)
        throw new InputError(
          `${at()}: is longer than ${longest} bytes; max_row_bytes allows longer rows (or is this no file of JSON rows?)`,
        );
      if (part.length > 0) parts.push(part);
    },
    take: (): Uint8Array => {
      const whole = parts.length === 1 ? parts[0] : joined(parts, size);
      [parts, size] = [[], 0];
      return whole;
    },
  };
};

type Chunks = AsyncGenerator<Uint8Array, void>;

/**
 * The rows of a JSON text that comes in chunks: the elements of an array if its first character is `[`, else one a line.
 * Never holds more than a chunk and a row. Errors: InputError "path:line: …" or "path: row n: …".
 */
export async function* jsonRows(path: string, chunks: Chunks, longest = LONGEST_ROW): AsyncGenerator<RawRow> {
  const first: Uint8Array[] = [];
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    first.push(next.value);
    const start = next.value.find((byte) => !isBlank(byte));
    if (start === undefined && first.length < 16) continue; // more spaces than that are no array's beginning
    const whole = (async function* () {
      yield* first;
      yield* chunks;
    })();
    yield* start === OPEN_LIST ? elements(path, whole, longest) : lines(path, whole, longest);
    return;
  }
}

async function* lines(path: string, chunks: Chunks, longest: number): AsyncGenerator<RawRow> {
  const line = gatherer(longest);
  let [number, blank] = [1, 0];
  const at = (): string => `${path}:${number}`;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && blank === 0; end = chunk.indexOf(NEWLINE, from)) {
      line.add(chunk.subarray(from, end), at);
      const bytes = line.take();
      from = end + 1;
      if (bytes.every(isBlank)) blank = number;
      else yield { at: at(), json: bytes };
      number++;
    }
    if (blank === 0) line.add(chunk.subarray(from), at);
    // Empty lines at the end are none.
    else if (!chunk.subarray(from).every(isBlank))
      throw new InputError(`${path}:${blank}: empty line; each line must hold one JSON object`);
  }
  const bytes = line.take();
  if (!bytes.every(isBlank)) yield { at: at(), json: bytes };
}

async function* elements(path: string, chunks: Chunks, longest: number): AsyncGenerator<RawRow> {
  const element = gatherer(longest);
  let [number, depth, quoted, escaped, opened, closed] = [1, 0, false, false, false, false];
  const at = (): string => `${path}: row ${number}`;
  for await (const chunk of chunks) {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (quoted) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) quoted = false;
      } else if (!opened) {
        if (byte === OPEN_LIST) [opened, from] = [true, i + 1];
      } else if (closed) {
        if (!isBlank(byte)) throw new InputError(`${path}: malformed JSON (something follows its closing "]")`);
      } else if (byte === QUOTE) quoted = true;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
      else if (depth > 0 && (byte === CLOSE_LIST || byte === CLOSE_OBJECT)) depth--;
      else if (depth === 0 && (byte === COMMA || byte === CLOSE_LIST)) {
        element.add(chunk.subarray(from, i), at);
        [from, closed] = [i + 1, byte === CLOSE_LIST];
        const bytes = element.take();
        if (closed && number === 1 && bytes.every(isBlank)) continue; // []
        yield { at: at(), json: bytes };
        number++;
      }
    }
    if (opened && !closed) element.add(chunk.subarray(from), at);
  }
  if (!closed) throw new InputError(`${path}: malformed JSON (it ends before its closing "]")`);
}
