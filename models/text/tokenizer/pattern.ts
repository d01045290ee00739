import * as library from "@huggingface/tokenizers";
import { isObject, show } from "../../files/json.js";
import { LONGEST_PATTERN } from "./limits.js";
import type { Piece } from "./piece.js";

// Its declarations name one another without an extension, which this module resolution does not follow.
const { SplitPreTokenizer } = library as unknown as {
  readonly SplitPreTokenizer: new (config: object) => { readonly pattern: RegExp };
};

/** What becomes of what a pattern matched, when a text is split by it. */
export type Behavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";
const behaviors: readonly string[] = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];

/** tokenizers' word characters, as its regular expressions take `\w`. */
export const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";

export const readBehavior = (value: unknown, refuse: (why: string) => Error): Behavior => {
  const found = behaviors.find((name) => name === value);
  if (found === undefined) throw refuse(`behavior is ${JSON.stringify(value)}; known are ${behaviors.join(", ")}`);
  return found as Behavior;
};

/**
 * A pattern of tokenizer.json, `{String}` or `{Regex}` (Oniguruma's syntax, which the library translates).
 * Errors: whatever `refuse` makes, for another shape, or a regular expression that cannot be translated.
 */
export const readPattern = (value: unknown, refuse: (why: string) => Error): RegExp => {
  const given = isObject(value) ? (value.String ?? value.Regex) : undefined;
  if (typeof given === "string" && given.length > LONGEST_PATTERN)
    throw refuse(`pattern has ${given.length} characters, at most ${LONGEST_PATTERN} are taken`);
  if (isObject(value) && typeof value.String === "string")
    return new RegExp(value.String.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "gu");
  if (!isObject(value) || typeof value.Regex !== "string")
    throw refuse(`pattern is ${show(value)}; it must be {"String": …} or {"Regex": …}`);
  try {
    return new SplitPreTokenizer({ type: "Split", pattern: { Regex: value.Regex }, invert: true }).pattern;
  } catch (error) {
    throw refuse(`regular expression cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
};

interface Stretch {
  readonly start: number;
  end: number;
  readonly matched: boolean;
}

const stretches = (text: string, pattern: RegExp): Stretch[] => {
  const found: Stretch[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) found.push({ start: end, end: match.index, matched: false });
    found.push({ start: match.index, end: match.index + match[0].length, matched: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ start: end, end: text.length, matched: false });
  return found;
};

/** Joins stretches to the one before where `joins` says so. */
const join = (list: readonly Stretch[], joins: (here: Stretch, before: Stretch) => boolean): Stretch[] => {
  const joined: Stretch[] = [];
  list.forEach((here, i) => {
    if (i > 0 && joins(here, list[i - 1])) joined[joined.length - 1].end = here.end;
    else joined.push({ ...here });
  });
  return joined;
};

/**
 * Splits a text: `invert` takes for a match what is none. Nothing empty comes back.
 * Source: `NormalizedString::split` of huggingface/tokenizers.
 */
export const splitBy = ({ text, first }: Piece, pattern: RegExp, behavior: Behavior, invert = false): Piece[] => {
  const list = stretches(text, pattern).map((s) => (invert ? { ...s, matched: !s.matched } : s));
  const kept: Readonly<Record<Behavior, () => readonly Stretch[]>> = {
    Isolated: () => list,
    Removed: () => list.filter(({ matched }) => !matched),
    Contiguous: () => join(list, (here, before) => here.matched === before.matched),
    MergedWithPrevious: () => join(list, (here, before) => here.matched && !before.matched),
    MergedWithNext: () => join(list, (here, before) => before.matched && !here.matched),
  };
  return kept[behavior]()
    .filter(({ start, end }) => end > start)
    .map(({ start, end }) => ({ text: text.slice(start, end), first: first && start === 0 }));
};
