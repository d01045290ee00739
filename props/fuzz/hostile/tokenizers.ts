/** Tokenizers that would take for ever, or all memory: kinds of changes to a tokenizer.json, each with drawn sizes. */
import { type Draw, pick } from "../mutate.js";

type Part = Readonly<Record<string, unknown>>;
type Made = (draw: Draw, whole: Part) => Part;

const size = (draw: Draw, from: number, to: number): number => 2 ** (from + draw(to - from + 1));
const repeat = <T>(value: T, times: number): T[] => new Array<T>(times).fill(value);
const regex = (text: string): Part => ({ Regex: text });
const exactly = (text: string): Part => ({ String: text });

/** Expressions that try every way on a text of one letter. */
const CATASTROPHES = [
  ...["(a+)+!", "(a|a)*!", "(a|aa)+!", "(.*)*!", "(a*)*b!", "(?:a+){9,}!", "(a+a+)+!", "(\\w+\\s?)+!", "([a-z ]+)*!"],
  ...["(?=(a+)+!)a", "(a+)+$|b!", "^(\\p{L}+)*!", "(x+x+)+y|(a+)+!", "(?:\\s*\\w+)*!", "(.+)+!|a", "(\\p{L}*)*!"],
];
const split = (pattern: Part): Part => ({ type: "Split", pattern, behavior: "Isolated", invert: false });

const vocabulary = (whole: Part): Readonly<Record<string, number>> =>
  (whole.model as { vocab: Readonly<Record<string, number>> }).vocab;
const withModel = (whole: Part, more: Part): Part => ({ ...whole, model: { ...(whole.model as Part), ...more } });
const added = (content: string, more: Part = {}): Part => ({
  ...{ id: 1, content, single_word: false, lstrip: false, rstrip: false, normalized: true, special: false },
  ...more,
});

export const hostileTokenizers: Readonly<Record<string, Made>> = {
  splits: (draw, whole) => ({ ...whole, pre_tokenizer: split(regex(pick(draw, CATASTROPHES))) }),
  normalizers: (draw, whole) => ({
    ...whole,
    normalizer: { type: "Replace", pattern: regex(pick(draw, CATASTROPHES)), content: "b" },
  }),
  decoders: (draw, whole) => ({
    ...whole,
    decoder: { type: "Replace", pattern: regex(pick(draw, CATASTROPHES)), content: "b" },
  }),
  longPatterns: (draw, whole) => {
    const part = pick(draw, ["\\p{L}+", "a|", "(", "(?:a{99}){99}", "[^\\p{L}]", "\\w", "(?=a)", "a{1,999}", "(?i:b)"]);
    return { ...whole, pre_tokenizer: split(regex(part.repeat(size(draw, 4, 14)))) };
  },
  grows: (draw, whole) => {
    const step = pick(draw, [
      { type: "Replace", pattern: exactly("a"), content: "aa" },
      { type: "Replace", pattern: regex(""), content: "a" },
      { type: "Prepend", prepend: "a".repeat(size(draw, 0, 12)) },
      { type: "ByteLevel" },
      { type: "NFKD" },
      { type: "Replace", pattern: regex("a"), content: "a".repeat(size(draw, 0, 12)) },
    ]);
    return { ...whole, normalizer: { type: "Sequence", normalizers: repeat(step, size(draw, 1, 12)) } };
  },
  growsLater: (draw, whole) => {
    const step = pick(draw, [
      { type: "ByteLevel", add_prefix_space: true, use_regex: false },
      { type: "Metaspace", replacement: "  ", prepend_scheme: "always", split: draw(2) === 0 },
      split(exactly("a")),
      { type: "Digits", individual_digits: true },
      { type: "FixedLength", length: pick<unknown>(draw, [1, 2 ** 31, 1e300, 0, -1, "a", null]) },
    ]);
    return { ...whole, pre_tokenizer: { type: "Sequence", pretokenizers: repeat(step, size(draw, 1, 12)) } };
  },
  growsAtTheEnd: (draw, whole) => {
    const step = pick(draw, [
      { type: "Replace", pattern: exactly("a"), content: "aa" },
      { type: "BPEDecoder", suffix: "" },
      { type: "Strip", content: "a", start: 1e300, stop: -1 },
      { type: "Metaspace", replacement: "", prepend_scheme: "always" },
      { type: "WordPiece", prefix: "a".repeat(size(draw, 0, 14)), cleanup: true },
    ]);
    return { ...whole, decoder: { type: "Sequence", decoders: repeat(step, size(draw, 1, 12)) } };
  },
  prepends: (draw, whole) => ({ ...whole, normalizer: { type: "Prepend", prepend: "a".repeat(size(draw, 6, 24)) } }),
  nested: (draw, whole) => {
    let step: Part = { type: "Lowercase" };
    for (let k = size(draw, 2, 10); k > 0; k--) step = { type: "Sequence", normalizers: [step] };
    return { ...whole, normalizer: step };
  },
  postProcessors: (draw, whole) => {
    const kind = pick(draw, [
      "TemplateProcessing",
      "BertProcessing",
      "RobertaProcessing",
      "Sequence",
      "ByteLevel",
      "X",
    ]);
    const bodies: readonly Part[] = [
      ...[{}, { single: null }, { single: [] }, { single: "A" }, { single: [null] }, { single: [{}] }],
      { single: [{ SpecialToken: { id: "__proto__" } }], special_tokens: {} },
      { single: [{ SpecialToken: { id: "a" } }], special_tokens: { a: { ids: [null, "x", -1, 1e300] } } },
      { single: repeat({ Sequence: { id: "A" } }, size(draw, 1, 16)), special_tokens: {} },
      { cls: ["a", "b"], sep: null },
      { cls: ["a", 1e300], sep: ["b", -1] },
      { processors: repeat({ type: "TemplateProcessing", single: repeat({ Sequence: {} }, 8) }, size(draw, 1, 8)) },
      { processors: null },
    ];
    return { ...whole, post_processor: { type: kind, ...pick(draw, bodies) } };
  },
  addedTokens: (draw, whole) => {
    const lists: readonly (() => readonly unknown[])[] = [
      () => [added("a".repeat(size(draw, 4, 22)))],
      () => Array.from({ length: size(draw, 4, 16) }, (_, k) => added(`<${"x".repeat(k % 64)}${k}>`)),
      () => [
        added(pick(draw, ["", " ", "a", "\u0000", "é"]), { lstrip: true, rstrip: true, single_word: draw(2) === 0 }),
      ],
      () => [null, 1, "a", [], {}, added("a")],
      () => repeat(added("aa"), size(draw, 4, 14)),
    ];
    return { ...whole, added_tokens: pick(draw, lists)() };
  },
  models: (draw, whole) => {
    const vocab = vocabulary(whole);
    const long = "a".repeat(size(draw, 4, 16));
    return pick(draw, [
      withModel(whole, { type: "WordPiece", max_input_chars_per_word: 1e9, unk_token: "a" }),
      withModel(whole, {
        type: "Unigram",
        vocab: [...Object.keys(vocab).map((token) => [token, -1]), [long, -1]],
        unk_id: 0,
      }),
      withModel(whole, { vocab: { ...vocab, [long]: 5000 }, merges: [] }),
      withModel(whole, { vocab: { ...vocab, a: pick<unknown>(draw, [1e9, -1, 0.5, "1", null, 2 ** 24]) } }),
      withModel(whole, { merges: repeat(["a", "a"], size(draw, 4, 16)) }),
      withModel(whole, { merges: pick<unknown>(draw, [null, {}, [[]], [["a"]], [null], ["a b c"], "a b"]) }),
      withModel(whole, { type: "WordLevel", unk_token: "a" }),
      withModel(whole, { continuing_subword_prefix: long, end_of_word_suffix: long }),
      withModel(whole, { byte_fallback: true, unk_token: "zzz", fuse_unk: true }),
    ]);
  },
  shapes: (draw, whole) => {
    const part = pick(draw, ["normalizer", "pre_tokenizer", "post_processor", "decoder", "model", "added_tokens"]);
    const values: readonly unknown[] = [
      ...[1, "a", true, [], {}, [{}], { type: null }, { type: "Sequence" }, { type: "Split" }, { type: "Replace" }],
      ...[{ type: "Prepend" }, { type: "toString" }, { type: "Strip" }, { type: "WordPiece", prefix: 1 }],
      ...[
        { type: "Replace", pattern: { String: "a" }, content: null },
        { type: "Metaspace", replacement: 3 },
      ],
    ];
    return { ...whole, [part]: pick(draw, values) };
  },
};

/** Texts that bring out the worst in them. */
export const hostileTexts: readonly ((draw: Draw) => string)[] = [
  (draw) => "a".repeat(size(draw, 5, 16)),
  (draw) => "a ".repeat(size(draw, 5, 14)),
  (draw) => `${" ".repeat(size(draw, 5, 16))}x`,
  (draw) => "ﷺé".repeat(size(draw, 5, 12)),
  () => "Hello there, and 12 more. ",
];
