import { show } from "../../files/json.js";
import { toLetters } from "./bytes.js";
import { checkGrown, pieceOf } from "./limits.js";
import { type Behavior, readBehavior, readPattern, splitBy, WORD } from "./pattern.js";
import { type Kinds, listOf, make, type Piece } from "./piece.js";

/** Cuts a piece of text into the pieces that the model sees one by one. */
export type PreTokenizer = (piece: Piece) => readonly Piece[];

const splitter =
  (pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer =>
  (piece) =>
    splitBy(piece, pattern, behavior, invert);

const chain =
  (steps: readonly PreTokenizer[], refuse: (why: string) => Error): PreTokenizer =>
  (piece) =>
    steps.reduce<readonly Piece[]>(
      (list, step) => {
        const made = list.flatMap(step);
        const length = made.reduce((sum, { text }) => sum + text.length, 0);
        checkGrown(length, piece.text.length, refuse);
        return made;
      },
      [piece],
    );

const WORDS_OF_GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
/** Longest piece of a fixed length. */
const LONGEST_CUT = 2 ** 20;
const SPACE = /\p{White_Space}/gu;
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;

/**
 * The pre-tokenizers of tokenizer.json. Source: pre_tokenizers/ of huggingface/tokenizers. Those of @huggingface/tokenizers
 * 0.2 are not used: Split knows two of five behaviors and inverts wrongly, Metaspace never splits and takes the first
 * section for the first piece, Whitespace and Digits know ASCII only (for upstream).
 */
export const preTokenizers: Kinds<PreTokenizer> = {
  Sequence: ({ pretokenizers }, refuse) =>
    chain(
      listOf(pretokenizers).map((config) => make(preTokenizers, "pre-tokenizer", config, refuse)),
      refuse,
    ),
  Split: ({ pattern, behavior, invert }, refuse) =>
    splitter(readPattern(pattern, refuse), readBehavior(behavior, refuse), invert === true),
  ByteLevel: ({ add_prefix_space: prefix, use_regex: regex }, refuse) => {
    const spaced: PreTokenizer = (piece) =>
      prefix === true && !piece.text.startsWith(" ") ? [{ ...piece, text: ` ${piece.text}` }] : [piece];
    const letters: PreTokenizer = (piece) => [{ ...piece, text: toLetters(piece.text) }];
    return chain([spaced, ...(regex === false ? [] : [splitter(WORDS_OF_GPT2, "Isolated")]), letters], refuse);
  },
  Metaspace: ({ replacement, prepend_scheme: scheme, add_prefix_space: prefix, split }, refuse) => {
    const mark = pieceOf(replacement ?? "▁", "replacement", refuse);
    const when = prefix === false ? "never" : (scheme ?? "always");
    if (when !== "always" && when !== "first" && when !== "never")
      throw refuse(`prepend_scheme is ${JSON.stringify(when)}; known are always, first, never`);
    const marked: PreTokenizer = ({ text, first }) => {
      const replaced = text.replaceAll(" ", mark);
      const prepends = !replaced.startsWith(mark) && (when === "always" || (when === "first" && first));
      return [{ text: prepends ? mark + replaced : replaced, first }];
    };
    const marks = readPattern({ String: mark }, refuse);
    return split === false ? marked : chain([marked, splitter(marks, "MergedWithNext")], refuse);
  },
  Whitespace: () => splitter(new RegExp(`${WORD}+|[^${WORD.slice(1, -1)}\\p{White_Space}]+`, "gu"), "Removed", true),
  WhitespaceSplit: () => splitter(SPACE, "Removed"),
  CharDelimiterSplit: ({ delimiter }, refuse) => splitter(readPattern({ String: delimiter }, refuse), "Removed"),
  Digits: ({ individual_digits: each }) => splitter(/\p{N}/gu, each === true ? "Isolated" : "Contiguous"),
  Punctuation: ({ behavior = "Isolated" }, refuse) => splitter(PUNCTUATION, readBehavior(behavior, refuse)),
  BertPreTokenizer: (_config, refuse) => chain([splitter(SPACE, "Removed"), splitter(PUNCTUATION, "Isolated")], refuse),
  FixedLength: ({ length }, refuse) => {
    if (!Number.isInteger(length) || !((length as number) >= 1 && (length as number) <= LONGEST_CUT))
      throw refuse(`length is ${show(length)}; it must be an integer, 1 to ${LONGEST_CUT}`);
    const pattern = new RegExp(`[\\s\\S]{1,${length}}`, "gu");
    return splitter(pattern, "Isolated");
  },
};
