import { toLetters } from "./bytes.js";
import { readPattern } from "./pattern.js";
import { type Kinds, listOf, make } from "./piece.js";

/** Text → text, before anything is split. */
export type Normalizer = (text: string) => string;

const form =
  (name: string): (() => Normalizer) =>
  () =>
  (text) =>
    text.normalize(name);

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
    return (text) => steps.reduce((done, step) => step(done), text);
  },
  NFC: form("NFC"),
  NFD: form("NFD"),
  NFKC: form("NFKC"),
  NFKD: form("NFKD"),
  Lowercase: () => lowercase,
  StripAccents: () => (text) => text.replace(/\p{M}/gu, ""),
  Strip: ({ strip_left: left, strip_right: right }) => {
    const ends = [...(left === true ? ["^\\p{White_Space}+"] : []), ...(right === true ? ["\\p{White_Space}+$"] : [])];
    const pattern = new RegExp(ends.join("|") || "(?!)", "gu");
    return (text) => text.replace(pattern, "");
  },
  Prepend:
    ({ prepend }) =>
    (text) =>
      text === "" ? "" : `${prepend}${text}`,
  Replace: ({ pattern, content }, refuse) => {
    const found = readPattern(pattern, refuse);
    return (text) => text.replace(found, () => String(content));
  },
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
