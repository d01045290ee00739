import { InputError } from "../core/errors.js";
import type { Tokenizer } from "../models/tokenizer.js";
import { checkTokenIds } from "../models/tokenizer.js";
import type { CompletionRow, DocumentRow, PairedRow, UnpairedRow } from "./data.js";
import type { Turns } from "./turns.js";

/** One token sequence; the loss is on the tokens from `completionStart` on. */
export interface Sequence {
  readonly ids: readonly number[];
  readonly completionStart: number;
}

/** A preference pair as tokens; both begin with the prompt. */
export interface TokenPair {
  readonly chosen: Sequence;
  readonly rejected: Sequence;
}

/** How rows become tokens. */
export interface TokenizeOptions {
  /** Longest sequence, in tokens; longer ones are cut. Default: no limit. */
  readonly maxLength?: number;
  /** Which end survives a cut, of the whole sequence. Default "keep_start", as in TRL. */
  readonly truncationMode?: "keep_start" | "keep_end";
  /** The model's vocabulary; ids outside of it are an error that names the row. */
  readonly vocabSize?: number;
}

/** What happened to the rows, to be told before training on them. Counted in sequences, so two a pair, but for `dropped`. */
export interface TokenizeReport {
  /** Rows that were left out, since the cut would take their whole completion; they count nowhere else. */
  dropped: number;
  sequences: number;
  tokens: number;
  /** Tokens that carry the loss. */
  completionTokens: number;
  longest: number;
  /** Sequences that were cut to the maximum length, and the tokens cut off. */
  truncated: number;
  tokensCut: number;
  /** Sequences without any completion token: they teach nothing. */
  withoutCompletion: number;
  /** Sequences whose prompt alone tokenizes differently than at their beginning. The split is by length then, as in TRL. */
  promptMismatches: number;
}

const emptyReport = (): TokenizeReport => ({
  dropped: 0,
  sequences: 0,
  tokens: 0,
  completionTokens: 0,
  longest: 0,
  truncated: 0,
  tokensCut: 0,
  withoutCompletion: 0,
  promptMismatches: 0,
});

/**
 * Preference rows as TRL's DPOTrainer tokenizes them: text gets eos appended to each answer (unless it ends with it) and
 * the whole is tokenized in one piece; a conversation is rendered whole. The prompt is tokenized alone (rendered with
 * the opening of an answer), and its *length* splits prompt from completion, so no merge across the border is lost.
 * A row whose prompt alone fills the maximum length is left out (`report.dropped`), so there may be fewer pairs than rows.
 * Source: DPOTrainer._prepare_dataset and ._truncate_inputs of huggingface/trl 1.x.
 */
export const tokenizePairs = (
  rows: readonly PairedRow[],
  tokenizer: Tokenizer,
  options: TokenizeOptions = {},
): { readonly pairs: readonly TokenPair[]; readonly report: Readonly<TokenizeReport> } => {
  const report = emptyReport();
  const pairs = rows.flatMap(({ prompt, chosen, rejected, at }) => {
    const sides = [chosen, rejected].map((answer) => completionIds(prompt, answer, tokenizer, at));
    if (sides.some((side) => isPromptOnly(side, options))) {
      report.dropped++;
      return [];
    }
    const [better, worse] = sides.map((side) => finish(side, at, options, report));
    return [{ chosen: better, rejected: worse }];
  });
  return { pairs, report };
};

/**
 * Instruction rows, labelled answers and documents as TRL's SFTTrainer tokenizes them: {prompt, completion} with the loss
 * on the completion, {messages} and {text} (eos appended) with the loss on everything. Rows are left out as those of pairs.
 * Source: SFTTrainer._prepare_dataset of huggingface/trl 1.x.
 */
export const tokenizeExamples = (
  rows: readonly (CompletionRow | UnpairedRow | DocumentRow)[],
  tokenizer: Tokenizer,
  options: TokenizeOptions = {},
): { readonly sequences: readonly Sequence[]; readonly report: Readonly<TokenizeReport> } => {
  const report = emptyReport();
  const sequences = rows.flatMap((row) => {
    const whole =
      row.kind === "document"
        ? { ids: documentIds(row.content, tokenizer, row.at), completionStart: 0 }
        : completionIds(row.prompt, row.completion, tokenizer, row.at);
    if (isPromptOnly(whole, options)) {
      report.dropped++;
      return [];
    }
    return [finish(whole, row.at, options, report)];
  });
  return { sequences, report };
};

/** Puts `at` before what tokenizer or template complain about. */
const located = <T>(at: string, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${at}: ${error.message}`);
    throw error;
  }
};

const withEos = (text: string, { eosToken }: Tokenizer): string => {
  if (eosToken === undefined) {
    throw new InputError(
      "plain text needs an end token, but the tokenizer has none; set eos_token in tokenizer_config.json",
    );
  }
  return text.endsWith(eosToken) ? text : text + eosToken;
};

/** A sequence before it is cut. */
interface Whole extends Sequence {
  /** Its prompt tokenizes differently alone. */
  readonly mismatch?: boolean;
}

const completionIds = (prompt: Turns, completion: Turns, tokenizer: Tokenizer, at: string): Whole => {
  const [promptIds, ids] = located(at, () =>
    typeof prompt === "string"
      ? [tokenizer.encode(prompt), tokenizer.encode(prompt + withEos(completion as string, tokenizer))]
      : [
          tokenizer.encodeChat(prompt, { addGenerationPrompt: true }),
          tokenizer.encodeChat([...prompt, ...(completion as Exclude<Turns, string>)]),
        ],
  );
  const mismatch = promptIds.some((id, i) => id !== ids[i]);
  return { ids, completionStart: Math.min(promptIds.length, ids.length), mismatch };
};

const documentIds = (content: Turns, tokenizer: Tokenizer, at: string): readonly number[] =>
  located(at, () =>
    typeof content === "string" ? tokenizer.encode(withEos(content, tokenizer)) : tokenizer.encodeChat(content),
  );

/** Would the cut leave no completion token? */
const isPromptOnly = ({ completionStart }: Sequence, { maxLength, truncationMode }: TokenizeOptions): boolean =>
  maxLength !== undefined && truncationMode !== "keep_end" && completionStart >= maxLength;

/** Cuts, checks and counts. */
const finish = (
  { ids, completionStart, mismatch }: Whole,
  at: string,
  { maxLength = Number.POSITIVE_INFINITY, truncationMode = "keep_start", vocabSize }: TokenizeOptions,
  report: TokenizeReport,
): Sequence => {
  if (vocabSize !== undefined) checkTokenIds(ids, vocabSize, at);
  const cut = Math.max(0, ids.length - maxLength);
  const from = truncationMode === "keep_end" ? cut : 0;
  const kept = cut === 0 ? ids : ids.slice(from, from + maxLength);
  const start = Math.min(Math.max(0, completionStart - from), kept.length);
  // Position 0 has nothing before it to be predicted from.
  const targets = kept.length - Math.max(1, start);
  report.sequences++;
  report.promptMismatches += mismatch === true ? 1 : 0;
  report.tokens += kept.length;
  report.completionTokens += Math.max(0, targets);
  report.longest = Math.max(report.longest, kept.length);
  report.truncated += cut > 0 ? 1 : 0;
  report.tokensCut += cut;
  report.withoutCompletion += targets <= 0 ? 1 : 0;
  return { ids: kept, completionStart: start };
};
