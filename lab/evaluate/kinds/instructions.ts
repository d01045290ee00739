/**
 * The checks of IFEval, as its code has them ("strict").  Zhou et al. 2023, google-research/instruction_following_eval. Languages
 * are told by `franc`, and there by langdetect; docs/evaluate.md has how often they differ.
 */
import { InputError } from "../../../core/errors.js";
import { instead } from "../../../core/suggest.js";
import { isObject } from "../../../models/files/json.js";
import { type Fields, fields } from "../rows/fields.js";
import type { Aids } from "./aids.js";
import { type Detect, isLanguage } from "./languages.js";
import { BORDER, isJson, isLower, isUpper, SPACE, strip } from "./python.js";
import { sentences } from "./sentences.js";
import { countWords, treebankWords } from "./words.js";

/** Whether an answer does what it was told. */
export type Check = (answer: string, aids: Aids) => boolean;

/** Is an answer in a language? As there, one whose language cannot be told is in any. */
const isIn = (answer: string, language: string, detect: Detect): boolean => {
  const found = detect(answer);
  return found === undefined || isLanguage(found, language);
};

const RELATIONS: Readonly<Record<string, (found: number, asked: number) => boolean>> = {
  "less than": (found, asked) => found < asked,
  "at least": (found, asked) => found >= asked,
};

/** found ≷ asked, by the keys that say so. */
const compared = (f: Fields, relation: string, amount: string): ((found: number) => boolean) => {
  const word = f.text(relation);
  if (!Object.hasOwn(RELATIONS, word))
    throw new InputError(`${f.where}: "${relation}" is "${word}"; it must be "less than" or "at least"`);
  const asked = f.count(amount, 0);
  return (found) => RELATIONS[word](found, asked);
};

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;
const SPACES = new RegExp(`[${SPACE}]+`, "u");
const DIVIDER = new RegExp(`[${SPACE}]?\\*\\*\\*[${SPACE}]?`, "u");
const STARRED = new RegExp(`(?<![^\\n])[${SPACE}]*\\*[^*][^\\n]*`, "gu");
const DASHED = new RegExp(`(?<![^\\n])[${SPACE}]*-[^\\n]*`, "gu");
const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
/** A word of the data set's is an expression there: here too, unless it repeats something, which may take for ever. */
const expression = (word: string): string => {
  try {
    if (/[*+{}]/.test(word)) return literally(word);
    new RegExp(word, "iu");
    return word;
  } catch {
    return literally(word);
  }
};
/** Parts between dividers; those at the ends may be empty, another empty one makes it undefined. */
const divided = (parts: readonly string[]): readonly string[] | undefined => {
  const inner = parts.slice(1, -1);
  if (inner.some((part) => strip(part) === "")) return undefined;
  return parts.filter((part) => strip(part) !== "");
};

/** A block of code, or all, without the marks around it; what they are taken off in turn, as there. */
const unfenced = (text: string): string => {
  const inner = ["```json", "```Json", "```JSON", "```"].reduce(
    (rest, mark) => (rest.startsWith(mark) ? rest.slice(mark.length) : rest),
    strip(text),
  );
  return strip(inner.endsWith("```") ? inner.slice(0, -3) : inner);
};

/** The first word of a paragraph, without opening quotes, up to the first mark. */
const firstWord = (paragraph: string): string =>
  [
    ...strip(paragraph)
      .split(SPACES)[0]
      .replace(/^'*"*/, "")
      .replace(/[.,?!'"].*$/s, ""),
  ]
    .map((letter) => letter.toLowerCase())
    .join("");

const postscript = (marker: string): RegExp => {
  if (marker === "P.P.S") return new RegExp(`p\\.[${SPACE}]?p\\.[${SPACE}]?s`, "u");
  if (marker === "P.S.") return new RegExp(`p\\.[${SPACE}]?s\\.`, "u");
  return new RegExp(expression(marker.toLowerCase()), "u");
};

/** A check by its id in IFEval, made from the row's keyword arguments. */
const checks: Readonly<Record<string, (f: Fields) => Check>> = {
  "keywords:existence": (f) => {
    const words = f.texts("keywords").map((word) => new RegExp(expression(word), "iu"));
    return (answer) => words.every((word) => word.test(answer));
  },
  "keywords:frequency": (f) => {
    const word = new RegExp(expression(strip(f.text("keyword"))), "giu");
    const holds = compared(f, "relation", "frequency");
    return (answer) => holds(count(answer, word));
  },
  "keywords:forbidden_words": (f) => {
    const words = f.texts("forbidden_words").map((word) => new RegExp(`${BORDER}${expression(word)}${BORDER}`, "iu"));
    return (answer) => !words.some((word) => word.test(answer));
  },
  "keywords:letter_frequency": (f) => {
    const letter = strip(f.text("letter")).toLowerCase();
    if ([...letter].length !== 1)
      throw new InputError(`${f.where}: "letter" is "${f.text("letter")}"; it must be one letter`);
    const holds = compared(f, "let_relation", "let_frequency");
    return (answer) => holds(answer.toLowerCase().split(letter).length - 1);
  },
  "keywords:key_sentences": (f) => {
    const [keys, asked] = [f.texts("key_sentences"), f.count("num_sentences", 0)];
    return (answer) => {
      const said = new Set(sentences(answer));
      return keys.filter((key) => said.has(key)).length === asked;
    };
  },
  "length_constraints:number_sentences": (f) => {
    const holds = compared(f, "relation", "num_sentences");
    return (answer, { split }) => holds(split(answer).length);
  },
  "length_constraints:number_paragraphs": (f) => {
    const asked = f.count("num_paragraphs", 0);
    return (answer) => divided(answer.split(DIVIDER))?.length === asked;
  },
  "length_constraints:number_words": (f) => {
    const holds = compared(f, "relation", "num_words");
    return (answer) => holds(countWords(answer));
  },
  "length_constraints:nth_paragraph_first_word": (f) => {
    const [total, nth, word] = [f.count("num_paragraphs", 1), f.count("nth_paragraph", 1), f.text("first_word")];
    return (answer) => {
      const parts = answer.split("\n\n");
      const full = parts.filter((part) => strip(part) !== "").length;
      return full === total && nth <= full && firstWord(parts[nth - 1]) === word.toLowerCase();
    };
  },
  "detectable_content:number_placeholders": (f) => {
    const asked = f.count("num_placeholders", 0);
    return (answer) => count(answer, /\[[^\n]*?\]/g) >= asked;
  },
  "detectable_content:postscript": (f) => {
    const marker = postscript(strip(f.text("postscript_marker")));
    return (answer) => marker.test(answer.toLowerCase());
  },
  "detectable_format:number_bullet_lists": (f) => {
    const asked = f.count("num_bullets", 0);
    return (answer) => count(answer, STARRED) + count(answer, DASHED) === asked;
  },
  "detectable_format:constrained_response": () => (answer) =>
    ["My answer is yes.", "My answer is no.", "My answer is maybe."].some((option) => answer.includes(option)),
  "detectable_format:number_highlighted_sections": (f) => {
    const asked = f.count("num_highlights", 0);
    const full = (found: readonly string[] | null) =>
      (found ?? []).filter((part) => strip(part.replaceAll("*", "")) !== "").length;
    return (answer) => full(answer.match(/\*[^\n*]*\*/g)) + full(answer.match(/\*\*[^\n*]*\*\*/g)) >= asked;
  },
  "detectable_format:multiple_sections": (f) => {
    const name = expression(strip(f.text("section_spliter")));
    const mark = new RegExp(`[${SPACE}]?${name}[${SPACE}]?\\p{Nd}+[${SPACE}]?`, "gu");
    const asked = f.count("num_sections", 0);
    return (answer) => count(answer, mark) >= asked;
  },
  "detectable_format:json_format": () => (answer) => isJson(unfenced(answer)),
  "detectable_format:title": () => (answer) =>
    (answer.match(/<<[^\n]+>>/g) ?? []).some((title) => strip(title.replace(/^<+/, "").replace(/>+$/, "")) !== ""),
  "combination:two_responses": () => (answer) => {
    const given = divided(answer.split("******"));
    return given?.length === 2 && strip(given[0]) !== strip(given[1]);
  },
  "combination:repeat_prompt": (f) => {
    const prompt = strip(f.text("prompt_to_repeat")).toLowerCase();
    return (answer) => strip(answer).toLowerCase().startsWith(prompt);
  },
  "startend:end_checker": (f) => {
    const end = strip(f.text("end_phrase")).toLowerCase();
    return (answer) =>
      strip(answer)
        .replace(/^"+|"+$/g, "")
        .toLowerCase()
        .endsWith(end);
  },
  "startend:quotation": () => (answer) => /^".*"$/s.test(strip(answer)),
  "change_case:capital_word_frequency": (f) => {
    const holds = compared(f, "capital_relation", "capital_frequency");
    return (answer, { split }) => holds(split(answer).flatMap(treebankWords).filter(isUpper).length);
  },
  "change_case:english_capital":
    () =>
    (answer, { detect }) =>
      isUpper(answer) && isIn(answer, "en", detect),
  "change_case:english_lowercase":
    () =>
    (answer, { detect }) =>
      isLower(answer) && isIn(answer, "en", detect),
  "language:response_language": (f) => {
    const asked = f.text("language");
    return (answer, { detect }) => isIn(answer, asked, detect);
  },
  "punctuation:no_comma": () => (answer) => !answer.includes(","),
};

/**
 * The check of one instruction.
 * Errors: InputError for an id that IFEval does not have, or an argument that is missing or of the wrong type.
 */
export const instruction = (id: string, given: unknown, where: string): Check => {
  if (!Object.hasOwn(checks, id))
    throw new InputError(`${where}: there is no instruction "${id}"; ${instead(id, Object.keys(checks))}`);
  const check = checks[id](fields(isObject(given) ? given : {}, `${where}: ${id}`));
  // As there, silence follows no instruction.
  return (answer, aids) => strip(answer) !== "" && check(answer, aids);
};

/** An answer as it is, and without its first line, last line and asterisks: the variants that "loose" scores allow. */
export const looseVariants = (answer: string): readonly string[] => {
  const lines = answer.split("\n");
  const cut = [lines.slice(1), lines.slice(0, -1), lines.slice(1, -1)].map((kept) => strip(kept.join("\n")));
  return [answer, ...cut].flatMap((variant) => [variant, variant.replaceAll("*", "")]);
};
