import type { JsonObject } from "../../files/json.js";
import { toLetters } from "./bytes.js";
import { checkGrown, LONGEST_TEXT, pieceOf } from "./limits.js";
import { readPattern } from "./pattern.js";
import { type Kinds, listOf, make } from "./piece.js";

/** Text → text, before anything is split. */
export type Normalizer = (text: string) => string;

const form =
  (name: string): (() => Normalizer) =>
  () =>
  (text) =>
    text.normalize(name);

const SPACE = /\p{White_Space}/u;

/** Puts a text in the place of what a pattern finds. */
export const replacer = ({ pattern, content }: JsonObject, refuse: (why: string) => Error): Normalizer => {
  const found = readPattern(pattern, refuse);
  const by = pieceOf(content, "content", refuse);
  return (text) => {
    let made = text.length;
    return text.replace(found, (was) => {
      made += by.length - was.length;
      if (made > LONGEST_TEXT) throw refuse(`makes more than ${LONGEST_TEXT} characters of a text`);
      return by;
    });
  };
};

/** One character after the other, as tokenizers does: no final sigma. */
const lowercase: Normalizer = (text) => Array.from(text, (c) => c.toLowerCase()).join("");

const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/**
 * The normalizers of tokenizer.json. Source: normalizers/ of huggingface/tokenizers. Those of @huggingface/tokenizers 0.2
 * are not used: Prepend is put before an empty text too, Replace reads `$` in its content, Strip and Lowercase follow
 * JavaScript's white space and final sigma, ByteLevel is missing, Precompiled is an approximation (for upstream).
 */
export const normalizers: Kinds<Normalizer> = {
  Sequence: ({ normalizers: list }, refuse) => {
    const steps = listOf(list).map((config) => make(normalizers, "normalizer", config, refuse));
    return (text) =>
      steps.reduce((done, step) => {
        const made = step(done);
        checkGrown(made.length, text.length, refuse);
        return made;
      }, text);
  },
  NFC: form("NFC"),
  NFD: form("NFD"),
  NFKC: form("NFKC"),
  NFKD: form("NFKD"),
  Lowercase: () => lowercase,
  StripAccents: () => (text) => text.replace(/\p{M}/gu, ""),
  Strip: ({ strip_left: left, strip_right: right }) => {
    return (text) => {
      let [from, to] = [0, text.length];
      while (left === true && from < to && SPACE.test(text[from])) from++;
      while (right === true && to > from && SPACE.test(text[to - 1])) to--;
      return text.slice(from, to);
    };
  },
  Prepend: ({ prepend }, refuse) => {
    const start = pieceOf(prepend, "prepend", refuse);
    return (text) => (text === "" ? "" : `${start}${text}`);
  },
  Replace: (config, refuse) => replacer(config, refuse),
  ByteLevel: () => toLetters,
  BertNormalizer: ({ clean_text: clean, handle_chinese_chars: chinese, strip_accents: accents, lowercase: lower }) => {
    const steps: Normalizer[] = [
      ...(clean === true
        ? [(text: string) => text.replace(/(?![\t\n\r])[\0\ufffd\p{C}]/gu, "").replace(/\p{White_Space}/gu, " ")]
        : []),
      ...(chinese === true ? [(text: string) => text.replace(CHINESE, " $& ")] : []),
      ...((accents ?? lower) === true ? [(text: string) => text.normalize("NFD").replace(/\p{Mn}/gu, "")] : []),
      ...(lower === true ? [lowercase] : []),
    ];
    return (text) => steps.reduce((done, step) => step(done), text);
  },
};
