import { InputError } from "../core/errors.js";
import { isObject, type JsonObject, oneLine, readText, show } from "../models/files/json.js";
import { inTime } from "../models/platform/node/in-time.js";

/** The parser takes seconds for a million characters; longest that it may take, in ms. */
const [LONGEST, LIMIT] = [2 ** 18, 5000];

/** The "key: value" lines of a YAML file; an empty file has none. Errors: InputError with file, line and the parser's words. */
export const readYamlObject = (path: string): Promise<JsonObject> => parseYaml(readText(path), path);

/** The "key: value" lines of a text; `path` is where it comes from. Errors: those of `readYamlObject`. */
export const parseYaml = async (source: string, path: string): Promise<JsonObject> => {
  if (source.length > LONGEST)
    throw new InputError(
      `${path}: has ${source.length} characters, at most ${LONGEST} are read; is this the right file?`,
    );
  const { parseDocument } = await import("yaml");
  const refuse = (why: string, at = ""): InputError => new InputError(`${path}${at}: is not YAML (${why})`);
  const content = guarded(refuse, () => {
    // "silent" would also pass over a second document. A warning is a tag that the parser does not know.
    const document = parseDocument(source, { prettyErrors: true, logLevel: "error" });
    const [error] = [...document.errors, ...document.warnings];
    if (error?.code === "DUPLICATE_KEY") {
      const key = oneLine(source.slice(error.pos[0]).split(":")[0].trim());
      throw new InputError(`${path}${position(error.linePos)}: ${key} is there twice; leave one out`);
    }
    if (error !== undefined) throw refuse(summary(error.message), position(error.linePos));
    return (document.toJS() as unknown) ?? {};
  });
  if (!isObject(content)) throw new InputError(`${path}: must hold "key: value" lines, holds ${show(content)}`);
  return content;
};

/** What stands between the two lines of dashes at a README's beginning. */
export const frontMatter = (readme: string): string => /^---\r?\n([\s\S]*?)\r?\n---/.exec(readme)?.[1] ?? "";

const position = (at: readonly [{ line: number; col: number }, ...unknown[]] | undefined): string =>
  at === undefined ? "" : `:${at[0].line}`;

/** The parser's message without its place and its picture of the source. */
const summary = (message: string): string => oneLine(message.split(/ at line \d+|\n/)[0]).replace(/[:.]$/, "");

/**
 * Runs the parser, which looks back over quotes, tags and anchors, against a clock. It refuses aliases that expand without end
 * when values are made, and overflows the stack on what is nested too deeply.
 */
const guarded = (refuse: (why: string) => InputError, run: () => unknown): unknown => {
  try {
    return inTime(LIMIT, (why) => refuse(`reading it ${why}`), run);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw refuse(summary(error instanceof Error ? error.message : String(error)));
  }
};
