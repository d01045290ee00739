import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import { inTime } from "../../../models/platform/node/in-time.js";

/** Longest that patterns may take, in ms: with many stars there are many ways to try. */
const LIMIT = 5000;
/** Longest pattern, in characters: making a long one ready takes time that nothing stops. */
const LONGEST = 4096;

/** What a data set says of its files itself: in which folder below they are, and patterns of the files of each split. */
export interface Declared {
  readonly folder?: string;
  readonly splits?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Whether a path matches a pattern: `*` and `?` within a name, `**` over folders, `[…]` one of some characters. Errors: InputError
 * for one that is too long, or that no characters are between (`[z-a]`).
 */
const matching = (pattern: string): RegExp => {
  if (pattern.length > LONGEST)
    throw new InputError(`data_files: a pattern has ${pattern.length} characters, at most ${LONGEST} are read`);
  const parts = pattern.match(/\*\*\/|\*\*|\*|\?|\[[^\]]+\]|[^*?[]+|\[/g) ?? [];
  const meaning: Readonly<Record<string, string>> = { "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]" };
  const source = parts.map((part) => {
    if (Object.hasOwn(meaning, part)) return meaning[part];
    return part.length > 1 && part.startsWith("[")
      ? part.replace(/^\[!/, "[^").replaceAll("\\", "\\\\")
      : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  try {
    return new RegExp(`^${source.join("")}$`);
  } catch {
    throw new InputError(`data_files: ${show(pattern)} is no pattern of files`);
  }
};

/** Files by the splits whose patterns they match, [split, file] each; a file may be in several. */
export const declaredSplits = (
  splits: Readonly<Record<string, readonly string[]>>,
  files: readonly string[],
): readonly (readonly [split: string, file: string])[] =>
  Object.entries(splits).flatMap(([split, patterns]) => {
    const tests = patterns.map(matching);
    const refuse = (why: string) =>
      new InputError(`data_files: telling the files of split ${show(split)} by ${show(patterns)} ${why}`);
    const own = inTime(LIMIT, refuse, () => files.filter((file) => tests.some((test) => test.test(file))));
    return own.map((file) => [split, file] as const);
  });
