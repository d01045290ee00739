/** CoQA and DROP: recall of the golden answer's words, as the paper has it, and the sets' own exact match and F1 beside. */
import { InputError } from "../../../core/errors.js";
import { isObject, show } from "../../../models/files/json.js";
import type { Fields } from "../rows/fields.js";
import { coqaRows, dropRows } from "../rows/published.js";
import { type AnswerKind, won } from "./kind.js";

const PUNCTUATION = /[!-/:-@[-`{-~]/g;
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;
const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** `normalize_answer` of CoQA's evaluate-v1.0.py. */
const plain = (text: string): string[] => words(text.toLowerCase().replace(PUNCTUATION, "").replace(ARTICLES, " "));

/** How many of some words are among others, each as often as it is there. */
const shared = (some: readonly string[], others: readonly string[]): number => {
  const left = new Map<string, number>();
  for (const word of others) left.set(word, (left.get(word) ?? 0) + 1);
  return some.filter((word) => {
    const count = left.get(word) ?? 0;
    left.set(word, count - 1);
    return count > 0;
  }).length;
};

/** The share of the golden words that are said; 1 if there are none. */
const recall = (gold: readonly string[], said: readonly string[]): number =>
  gold.length === 0 ? 1 : shared(gold, said) / gold.length;

const harmonic = (precision: number, recalled: number): number =>
  precision + recalled === 0 ? 0 : (2 * precision * recalled) / (precision + recalled);

const coqaF1 = (gold: readonly string[], said: readonly string[]): number => {
  if (gold.length === 0 || said.length === 0) return won(gold.length === said.length);
  const same = shared(gold, said);
  return harmonic(same / said.length, same / gold.length);
};

const best = (values: readonly number[]): number => Math.max(0, ...values);

/** Of several golden answers each is left out once, so that people, of whom one is such an answer, are scored alike. */
const leftOut = (values: readonly number[]): number =>
  values.length === 1
    ? values[0]
    : values.reduce((sum, _, i) => sum + best(values.filter((_, j) => j !== i)), 0) / values.length;

/** Reddy et al. 2019; rows: `story`, `history`, `question`, and `answers`, of which any is right. */
export const coqa: AnswerKind = {
  prompt: "{story}\n\n{history}Q: {question}\nA:",
  keys: [],
  unroll: coqaRows,
  measures: ["exact_match", "f1"],
  stop: () => ["\n"],
  scorer: (row) => {
    const golds = row.texts("answers").map(plain);
    return (answer) => {
      const said = plain(answer);
      return {
        score: best(golds.map((gold) => recall(gold, said))),
        exact_match: leftOut(golds.map((gold) => won(gold.join(" ") === said.join(" ")))),
        f1: leftOut(golds.map((gold) => coqaF1(gold, said))),
      };
    };
  },
  example: (row) => row.texts("answers")[0],
};

/** What Python's float() takes. */
const NUMBER =
  /^\s*[-+]?(?:(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+(?:_\d+)*)?|inf(?:inity)?|nan)\s*$/i;
const isNumber = (text: string): boolean => NUMBER.test(text);
/** One text for one number, and no other's. */
const canonical = (text: string): string => {
  const plainly = text.trim().toLowerCase().replaceAll("_", "");
  if (/nan/.test(plainly)) return "nan";
  if (/inf/.test(plainly)) return plainly.startsWith("-") ? "-inf" : "inf";
  const value = Number(plainly);
  return Object.is(value, -0) ? "-0.0" : `${value}`;
};

/** `_normalize_answer` of DROP's drop_eval.py: token by token, numbers by their value. */
const dropWords = (text: string): string[] =>
  text
    .split(/[ -]/)
    .map((token) => token.toLowerCase())
    .map((token) => (isNumber(token) ? token : token.replace(PUNCTUATION, "")))
    .map((token) => (isNumber(token) ? canonical(token) : token))
    .flatMap((token) => words(token.replace(ARTICLES, " ")));

const bagF1 = (gold: ReadonlySet<string>, said: ReadonlySet<string>): number => {
  const numbers = [...gold].filter(isNumber);
  if (numbers.length > 0 && !numbers.some((number) => said.has(number))) return 0;
  const same = [...gold].filter((word) => said.has(word)).length;
  return harmonic(said.size === 0 ? 1 : same / said.size, gold.size === 0 ? 1 : same / gold.size);
};

/** To hundredths, a half to the even one, as NumPy rounds. */
const hundredths = (value: number): number => {
  const scaled = value * 100;
  const down = Math.floor(scaled);
  const up = scaled - down > 0.5 || (scaled - down === 0.5 && down % 2 === 1);
  return (down + (up ? 1 : 0)) / 100;
};

/** One answer against spans that are all asked for: it is one span, and stands beside the one that it is most like. */
const dropScores = (spans: readonly string[], answer: string): { exact: number; f1: number; recalled: number } => {
  const [gold, said] = [spans.map(dropWords), dropWords(answer)];
  const texts = new Set(gold.map((tokens) => tokens.join(" ")));
  const f1 = best(gold.map((tokens) => bagF1(new Set(tokens), new Set(said)))) / gold.length;
  return {
    exact: won(gold.length === 1 && texts.has(said.join(" "))),
    f1: hundredths(f1),
    recalled: recall(gold.flat(), said),
  };
};

/** `answer_json_to_strings`: a number, else spans, else a date. */
const spansOf = (given: unknown, row: Fields): readonly string[] => {
  const answer = isObject(given) ? given : {};
  const { number, spans, date } = answer;
  if (typeof number === "number" ? number !== 0 : typeof number === "string" && number !== "") return [String(number)];
  if (Array.isArray(spans) && spans.length > 0) return spans.map(String);
  if (isObject(date)) return [`${date.day ?? ""} ${date.month ?? ""} ${date.year ?? ""}`];
  throw new InputError(`${row.where}: an answer is ${show(given)}; it must hold number, spans or date`);
};

/** Golden answers: DROP's own `answer` and `validated_answers`, or the Hub's `answers_spans`, of which each is one. */
const goldsOf = (row: Fields): readonly (readonly string[])[] => {
  const hub = row.raw("answers_spans");
  if (isObject(hub)) return [spansOf(hub, row)];
  const others = row.raw("validated_answers");
  return [row.raw("answer"), ...(Array.isArray(others) ? others : [])]
    .map((answer) => spansOf(answer, row))
    .filter(([first]) => first.trim() !== "");
};

/** Dua et al. 2019. */
export const drop: AnswerKind = {
  prompt: "{passage}\n\nQuestion: {question}\nAnswer:",
  keys: [],
  unroll: dropRows,
  measures: ["exact_match", "f1"],
  stop: () => ["\n"],
  scorer: (row) => {
    const golds = goldsOf(row);
    return (answer) => {
      const all = golds.map((spans) => dropScores(spans, answer));
      return {
        score: best(all.map(({ recalled }) => recalled)),
        exact_match: best(all.map(({ exact }) => exact)),
        f1: best(all.map(({ f1 }) => f1)),
      };
    };
  },
  example: (row) => goldsOf(row)[0]?.join(", ") ?? "",
};
