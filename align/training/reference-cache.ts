import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { isObject, readText } from "../../models/files/json.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";
import type { ReferencePair } from "../data/source.js";

/** What decides reference log-probabilities, by name: digests of model and rows, and settings. */
export type ReferenceIdentity = Readonly<Record<string, string | number>>;

export interface CacheOptions {
  readonly path: string;
  readonly identity: ReferenceIdentity;
  /** Rows that are asked about. */
  readonly rows: number;
  /** Asks the reference model. */
  readonly compute: () => Promise<readonly ReferencePair[]>;
  /** Hears, in one line, what became of the file. */
  readonly tell: (line: string) => void;
}

/** JSON has no −0, so none is looked at. */
const digest = (values: readonly number[]): string =>
  createHash("sha256")
    .update(new Uint8Array(Float64Array.from(values, (x) => x + 0).buffer))
    .digest("hex");

/** The numbers of a cache file, or why they cannot be used. */
const stored = ({ path, identity, rows }: CacheOptions): readonly ReferencePair[] | string => {
  let content: unknown;
  try {
    content = JSON.parse(readText(path));
  } catch {
    return "it cannot be read";
  }
  if (!isObject(content) || !isObject(content.identity) || !Array.isArray(content.logps)) return "it is no such file";
  const { identity: then, logps, sha256 } = content;
  const other = [...new Set([...Object.keys(identity), ...Object.keys(then)])].filter(
    (name) => then[name] !== identity[name],
  );
  if (other.length > 0) return `${other.join(", ")} changed`;
  const whole = logps.length === 2 * rows && logps.every((x) => typeof x === "number");
  if (!whole || digest(logps) !== sha256) return "it is damaged";
  return Array.from({ length: rows }, (_, i): ReferencePair => [logps[2 * i], logps[2 * i + 1]]);
};

/**
 * Reference log-probabilities from a file that an earlier run left, if they are those of the same model, rows and settings;
 * else computed, and kept there. The file appears whole or not at all; a file that cannot be written costs the run nothing.
 */
export const cachedReference = async (options: CacheOptions): Promise<readonly ReferencePair[]> => {
  const { path, identity, rows, compute, tell } = options;
  const found = existsSync(path) ? stored(options) : undefined;
  if (typeof found === "object") {
    tell(`reference log-probabilities: those of ${rows} rows are taken from ${path}`);
    return found;
  }
  const why = found === undefined ? "" : `, since ${path} does not serve: ${found}`;
  tell(`reference log-probabilities: computing those of ${rows} rows${why}`);
  const known = await compute();
  const logps = known.flat();
  try {
    writeTextAtomically(path, `${JSON.stringify({ identity, sha256: digest(logps), logps })}\n`);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    tell(`warning: ${error.message}; the run goes on without keeping them`);
  }
  return known;
};
