import { InputError } from "../../core/errors.js";
import { isObject, type JsonObject, show } from "../files/json.js";
import { CASED, CASELESS, cased, words } from "../text/tokenizer/published.js";

/** Expressions whose cutting llama.cpp does, by the name it has there; of Llama 3's kind, by whether whole words skip merging. */
const SPLITS: ReadonlyMap<string, { readonly merging: string; readonly whole?: string }> = new Map([
  ...[CASELESS, CASED].flatMap((contractions) => [
    [words(contractions, "\\p{N}{1,3}"), { merging: "dbrx", whole: "llama-bpe" }] as const,
    [words(contractions, "\\p{N}"), { merging: "qwen2" }] as const,
  ]),
  [cased("", "\\p{N}", "[\\r\\n/]*"), { merging: "pixtral", whole: "tekken" }],
  [cased(`${CASELESS}?`, "\\p{N}{1,3}", "[\\r\\n/]*"), { merging: "gpt-4o" }],
]);

/** The steps of a pre-tokenizer, sequences opened. */
const stepsOf = (given: unknown): readonly JsonObject[] => {
  if (!isObject(given)) return [];
  return given.type === "Sequence" && Array.isArray(given.pretokenizers)
    ? given.pretokenizers.flatMap(stepsOf)
    : [given];
};

const patternOf = ({ pattern }: JsonObject): string | undefined =>
  isObject(pattern) && typeof pattern.Regex === "string" ? pattern.Regex : undefined;

/**
 * llama.cpp's name (`tokenizer.ggml.pre`) of what a tokenizer of byte pairs cuts texts by.
 * Errors: InputError for one that llama.cpp has no name for here, which would split texts otherwise.
 * Source: `llama_vocab::impl::load` and its regular expressions, ggml-org/llama.cpp.
 */
export const preTokenizerName = ({ pre_tokenizer: given, model }: JsonObject, path: string): string => {
  const whole = isObject(model) && model.ignore_merges === true;
  const steps = stepsOf(given);
  const last = steps.at(-1);
  const refuse = (what: string): InputError =>
    new InputError(
      `${path}: pre_tokenizer is ${what}, which llama.cpp has no name for here; it would cut texts otherwise`,
    );
  if (last?.type !== "ByteLevel") throw refuse(show(given));
  if (last.add_prefix_space === true) throw refuse("ByteLevel with add_prefix_space");
  const first = steps.slice(0, -1);
  const splits = last.use_regex !== false;
  if (splits && first.length === 0 && !whole) return "gpt-2";
  if (splits && first.length === 1 && first[0].type === "Digits" && first[0].individual_digits === true && !whole)
    return "smollm";
  const [split] = first;
  const found =
    !splits && first.length === 1 && split.type === "Split" ? SPLITS.get(patternOf(split) ?? "") : undefined;
  const isolated = split?.behavior === "Isolated" && split.invert !== true;
  const name = whole ? found?.whole : found?.merging;
  if (name === undefined || !isolated) throw refuse(show(given));
  return name;
};
