import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { type JsonObject, show } from "../files/json.js";
import { jsonIn } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import type { Soon, Work } from "../folders/work.js";
import { workIn } from "../folders/work-in.js";
import { checkSampling, type SamplingOptions } from "./sample.js";

const NAME = "generation_config.json";

/** What the file may say of sampling, by our names and by its own. */
const USED = {
  temperature: "temperature",
  topK: "top_k",
  topP: "top_p",
  minP: "min_p",
  typicalP: "typical_p",
  repetitionPenalty: "repetition_penalty",
} as const satisfies Partial<Record<keyof SamplingOptions, string>>;
type Used = keyof typeof USED;

/** Fields that would give another text, with the values under which they do nothing; absent and null do nothing, too. */
const WITHOUT: Readonly<Record<string, readonly unknown[]>> = {
  num_beams: [1],
  num_beam_groups: [1],
  penalty_alpha: [0],
  dola_layers: [],
  top_h: [],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  encoder_repetition_penalty: [1],
  no_repeat_ngram_size: [0],
  encoder_no_repeat_ngram_size: [0],
  bad_words_ids: [],
  force_words_ids: [],
  constraints: [],
  sequence_bias: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  min_length: [0],
  min_new_tokens: [0],
  guidance_scale: [1],
  exponential_decay_length_penalty: [],
  watermarking_config: [],
  token_healing: [false],
  stop_strings: [],
};

const isNothing = (value: unknown, neutral: readonly unknown[]): boolean =>
  value == null || neutral.includes(value) || (Array.isArray(value) && value.length === 0);

/** What a model's folder says of how to generate with it. */
export interface GenerationDefaults {
  /** Sampling options in force: the caller's, and under them the file's. */
  readonly sampling: SamplingOptions;
  /** `max_new_tokens` of the file. */
  readonly maxNewTokens: number | undefined;
  /** What the file decided, in words: "temperature 0.6, top_p 0.9"; "" where it decided nothing. */
  readonly said: string;
}

/** The file of a folder, if it is there. Errors: InputError for a field that would give another text and is not known here. */
function* defaultsIn(folder: Folder): Work<{ readonly path: string; readonly raw: JsonObject } | undefined> {
  const raw = yield* jsonIn(folder, NAME);
  if (raw === undefined) return undefined;
  const path = folder.pathOf(NAME);
  for (const [field, neutral] of Object.entries(WITHOUT))
    if (!isNothing(raw[field], neutral))
      throw new InputError(
        `${path}: ${field} is ${show(raw[field])}; generation here has no such thing (take it out of the file to go without)`,
      );
  return { path, raw };
}

/**
 * How to sample, as transformers' `generate` would: an option that is given counts; else the file's; else transformers' own
 * default, where there is a file (so greedy unless it says `do_sample`, and top_k 50), and plain sampling where there is none.
 * Giving any of temperature, top-k, top-p, min-p, typical-p and a seed asks for sampling, unless `greedy` is given too.
 * Errors: InputError naming the file, for a field of it that is out of range, or would give another text and is not known.
 */
export function generationDefaults(folder: string, options: SamplingOptions): GenerationDefaults;
export function generationDefaults(folder: Folder, options: SamplingOptions): Promise<GenerationDefaults>;
export function generationDefaults(folder: string | Folder, options: SamplingOptions): Soon<GenerationDefaults> {
  expects("generationDefaults", "folder record", folder, options);
  return workIn(folder, function* (files) {
    return inForce(yield* defaultsIn(files), options);
  });
}

/** The caller's options, and under them the file's. */
const inForce = (
  found: { readonly path: string; readonly raw: JsonObject } | undefined,
  options: SamplingOptions,
): GenerationDefaults => {
  const given: SamplingOptions = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  if (found === undefined) return { sampling: given, maxNewTokens: undefined, said: "" };
  const { path, raw } = found;
  const asked = (["temperature", "topK", "topP", "minP", "typicalP", "seed"] as const).some(
    (name) => given[name] !== undefined,
  );
  const greedy = given.greedy ?? (!asked && raw.do_sample !== true);
  const own: Partial<Record<Used, number>> = {};
  const words: string[] = [];
  for (const name of Object.keys(USED) as Used[]) {
    if (given[name] !== undefined || (greedy && name !== "repetitionPenalty")) continue;
    const value = raw[USED[name]] ?? (name === "topK" ? 50 : undefined);
    if (value === undefined) continue;
    if (typeof value !== "number")
      throw new InputError(`${path}: ${USED[name]} is ${show(value)}; it must be a number`);
    own[name] = value;
    words.push(`${USED[name]} ${value}`);
  }
  try {
    checkSampling({ ...own, greedy });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${path}: ${error.message}`) : error;
  }
  const most = raw.max_new_tokens;
  if (most != null && !(Number.isSafeInteger(most) && (most as number) > 0))
    throw new InputError(`${path}: max_new_tokens is ${show(most)}; it must be an integer > 0`);
  if (greedy && given.greedy === undefined) words.unshift("greedy, as it says no do_sample");
  return {
    sampling: { ...own, ...given, greedy },
    maxNewTokens: most == null ? undefined : (most as number),
    said: words.length === 0 ? "" : `${path}: ${words.join(", ")}`,
  };
};
