/** What a data set says of its files itself: in which folder below they are, and patterns of the files of each split. */
export interface Declared {
  readonly folder?: string;
  readonly splits?: Readonly<Record<string, readonly string[]>>;
}

/** Whether a path matches a pattern: `*` and `?` within a name, `**` over folders, `[…]` one of some characters. */
const matching = (pattern: string): RegExp => {
  const parts = pattern.match(/\*\*\/|\*\*|\*|\?|\[[^\]]+\]|[^*?[]+|\[/g) ?? [];
  const meaning: Readonly<Record<string, string>> = { "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]" };
  const source = parts.map((part) => {
    if (Object.hasOwn(meaning, part)) return meaning[part];
    return part.length > 1 && part.startsWith("[")
      ? part.replace(/^\[!/, "[^").replaceAll("\\", "\\\\")
      : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${source.join("")}$`);
};

/** Files by the splits whose patterns they match, [split, file] each; a file may be in several. */
export const declaredSplits = (
  splits: Readonly<Record<string, readonly string[]>>,
  files: readonly string[],
): readonly (readonly [split: string, file: string])[] =>
  Object.entries(splits).flatMap(([split, patterns]) => {
    const tests = patterns.map(matching);
    return files.filter((file) => tests.some((test) => test.test(file))).map((file) => [split, file] as const);
  });
