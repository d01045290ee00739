import { InputError } from "../core/errors.js";
import { isObject, type JsonObject, oneLine, readText, show } from "../models/files/json.js";

/** The parser takes seconds for a million characters. */
const LONGEST = 2 ** 18;

/** The "key: value" lines of a YAML file; an empty file has none. Errors: InputError with file, line and the parser's words. */
export const readYamlObject = (path: string): Promise<JsonObject> => parseYaml(readText(path), path);

/** The "key: value" lines of a text; `path` is where it comes from. Errors: those of `readYamlObject`. */
export const parseYaml = async (source: string, path: string): Promise<JsonObject> => {
  if (source.length > LONGEST)
    throw new InputError(
      `${path}: has ${source.length} characters, at most ${LONGEST} are read; is this the right file?`,
    );
  const { parseDocument } = await import("yaml");
  // "silent" would also pass over a second document. A warning is a tag that the parser does not know.
  const document = parseDocument(source, { prettyErrors: true, logLevel: "error" });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined)
    throw new InputError(`${path}${position(error.linePos)}: is not YAML (${summary(error.message)})`);
  const content = jsOf(() => document.toJS() as unknown, path) ?? {};
  if (!isObject(content)) throw new InputError(`${path}: must hold "key: value" lines, holds ${show(content)}`);
  return content;
};

const position = (at: readonly [{ line: number; col: number }, ...unknown[]] | undefined): string =>
  at === undefined ? "" : `:${at[0].line}`;

/** The parser's message without its place and its picture of the source. */
const summary = (message: string): string => oneLine(message.split(/ at line \d+|\n/)[0]).replace(/[:.]$/, "");

/** Aliases that expand without end are refused by the parser when values are made. */
const jsOf = (make: () => unknown, path: string): unknown => {
  try {
    return make();
  } catch (error) {
    throw new InputError(`${path}: is not YAML (${summary(error instanceof Error ? error.message : String(error))})`);
  }
};
