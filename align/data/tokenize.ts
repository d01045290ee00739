import { InputError } from "../../core/errors.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import { checkTokenIds } from "../../models/text/tokenizer.js";
import type { CompletionRow, DocumentRow, PairedRow, Row, UnpairedRow } from "./data-row.js";
import { part, type Span, targetsIn } from "./learned.js";
import { fitting, noteFields } from "./render.js";
import { emptyReport, name, type TokenizeReport } from "./report.js";
import type { Turns } from "./turns.js";

/** One token sequence; the loss is on the tokens from `completionStart` on. */
export interface Sequence {
  readonly ids: readonly number[];
  readonly completionStart: number;
  /** Of those, only tokens in these stretches; default: all. */
  readonly spans?: readonly Span[];
  /** Where its row stands ("file:line"). */
  readonly at?: string;
}

/** An answer that is wanted (`label` true) or not. */
export interface LabelledSequence extends Sequence {
  readonly label: boolean;
}

/** A preference pair as tokens; both begin with the prompt. */
export interface TokenPair {
  readonly chosen: Sequence;
  readonly rejected: Sequence;
  /** Where its row stands ("file:line"). */
  readonly at?: string;
}

/** How rows become tokens. */
export interface TokenizeOptions {
  /** Longest sequence, in tokens; longer ones are cut. Default: no limit. */
  readonly maxLength?: number;
  /** Longest prompt; a longer one loses its beginning, before `maxLength` is looked at. Default: no limit. */
  readonly maxPromptLength?: number;
  /** Longest answer; a longer one loses its end, likewise. Default: no limit. */
  readonly maxCompletionLength?: number;
  /** Of instruction rows, false: prompts carry the loss too; true: rows without a prompt are an error. */
  readonly completionOnly?: boolean;
  /** Which end survives a cut, of the whole sequence. Default "keep_start", as in TRL. */
  readonly truncationMode?: "keep_start" | "keep_end";
  /** The model's vocabulary; ids outside of it are an error that names the row. */
  readonly vocabSize?: number;
}

/** Makes one row tokens and counts it; undefined if it is left out. */
export type TokenizeRow<R, T> = (
  row: R,
  tokenizer: Tokenizer,
  options: TokenizeOptions,
  report: TokenizeReport,
) => T | undefined;

/**
 * A preference row as TRL's DPOTrainer tokenizes it: text gets eos appended to each answer (unless it ends with it) and
 * the whole is tokenized in one piece; a conversation is rendered whole. The prompt is tokenized alone (rendered with
 * the opening of an answer), and its *length* splits prompt from completion, so no merge across the border is lost.
 * A row whose prompt alone fills the maximum length is left out (`report.dropped`), so there may be fewer pairs than rows.
 * Source: DPOTrainer._prepare_dataset and ._truncate_inputs of huggingface/trl 1.x.
 */
export const tokenizePair: TokenizeRow<PairedRow, TokenPair> = (row, tokenizer, options, report) => {
  const { prompt, chosen, rejected, at } = row;
  const kept = finish(completions(row, [chosen, rejected], tokenizer, options, report), at, options, report);
  const repeats = [chosen, rejected].every((side) => typeof side === "string" && side.startsWith(prompt as string));
  report.promptsRepeated += repeats && prompt !== "" ? 1 : 0;
  return kept && { chosen: kept[0], rejected: kept[1], at };
};

/**
 * An instruction row or document as TRL's SFTTrainer tokenizes it: {prompt, completion} with the loss on the completion,
 * {messages} and {text} (eos appended) with the loss on everything. Rows are left out as those of pairs, and those that are
 * labelled as not wanted (`report.unwanted`). Source: SFTTrainer._prepare_dataset of huggingface/trl 1.x.
 */
export const tokenizeExample: TokenizeRow<CompletionRow | DocumentRow | UnpairedRow, Sequence> = (
  row,
  tokenizer,
  options,
  report,
) => {
  const { at } = row;
  if (row.kind === "unpaired" ? !row.label : row.kind === "document" && row.unwanted) {
    report.rows++;
    report.unwanted++;
    return undefined;
  }
  const content = documentOf(row);
  if (content !== undefined && options.completionOnly === true)
    throw new InputError(
      `${at}: completion_only_loss needs rows {prompt, completion}, and this one has no prompt of its own; leave it out, or give such rows`,
    );
  const whole =
    content !== undefined
      ? [{ ids: documentIds(content, row, tokenizer, report), completionStart: 0 }]
      : completed(row as CompletionRow, tokenizer, options, report);
  const kept = finish(whole, at, options, report);
  return kept && { ...kept[0], at };
};

/**
 * A labelled answer as TRL's KTOTrainer tokenizes it: as one side of a pair, but whole. What is over the maximum length is
 * counted, not cut, since the answer is also put after another row's prompt, and cut there.
 */
export const tokenizeLabelled: TokenizeRow<UnpairedRow, LabelledSequence> = (row, tokenizer, options, report) => {
  const { completion, at, label } = row;
  const wholes = completions(row, [completion], tokenizer, options, report);
  const [{ ids, completionStart }] = wholes;
  return finish(wholes, at, options, report) && { ids, completionStart, label, at };
};

const tokenizeAll = <R, T>(
  tokenizeRow: TokenizeRow<R, T>,
  rows: readonly R[],
  tokenizer: Tokenizer,
  options: TokenizeOptions = {},
): { readonly kept: readonly T[]; readonly report: Readonly<TokenizeReport> } => {
  const report = emptyReport();
  const kept = rows.map((row) => tokenizeRow(row, tokenizer, options, report)).filter((tokens) => tokens !== undefined);
  return { kept, report };
};

/** All of some preference rows: see `tokenizePair`. */
export const tokenizePairs = (rows: readonly PairedRow[], tokenizer: Tokenizer, options?: TokenizeOptions) => {
  const { kept: pairs, report } = tokenizeAll(tokenizePair, rows, tokenizer, options);
  return { pairs, report };
};

/** All of some instruction rows and documents: see `tokenizeExample`. */
export const tokenizeExamples = (
  rows: readonly (CompletionRow | DocumentRow | UnpairedRow)[],
  tokenizer: Tokenizer,
  options?: TokenizeOptions,
) => {
  const { kept: sequences, report } = tokenizeAll(tokenizeExample, rows, tokenizer, options);
  return { sequences, report };
};

/** All of some labelled answers: see `tokenizeLabelled`. */
export const tokenizeAnswers = (rows: readonly UnpairedRow[], tokenizer: Tokenizer, options?: TokenizeOptions) => {
  const { kept: sequences, report } = tokenizeAll(tokenizeLabelled, rows, tokenizer, options);
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
  /** Its prompt, or its answer, was cut to a maximum of its own. */
  readonly promptCut?: boolean;
  readonly answerCut?: boolean;
}

/** The turns of which all is learned; undefined for a row that has a prompt. */
const documentOf = (row: CompletionRow | DocumentRow | UnpairedRow): Turns | undefined => {
  if (row.kind === "document") return row.content;
  const { prompt, completion } = row;
  if (row.kind !== "unpaired" || row.whole !== true || typeof prompt === "string") return undefined;
  return [...prompt, ...(completion as Exclude<Turns, string>)];
};

/** Tells of a row's columns, and gives what makes ids of its conversation. */
const encoderOf = ({ variables = {}, unused = [] }: Row, tokenizer: Tokenizer, report: TokenizeReport) => {
  for (const column of unused) if (!report.unused.includes(column)) report.unused.push(column);
  return (messages: Exclude<Turns, string>, isPrompt: boolean): readonly number[] => {
    const fit = fitting(messages, tokenizer);
    if (!isPrompt) noteFields(fit, variables, tokenizer, report.fields);
    return tokenizer.encodeChat(fit, { addGenerationPrompt: isPrompt, variables });
  };
};

/** Prompt and answer, each cut to its own maximum: source DPOTrainer.tokenize_row of huggingface/trl before 1.0. */
const eachCut = (
  whole: Whole,
  { maxPromptLength = Number.POSITIVE_INFINITY, maxCompletionLength = Number.POSITIVE_INFINITY }: TokenizeOptions,
): Whole => {
  const { ids, completionStart } = whole;
  const from = Math.max(0, completionStart - maxPromptLength);
  const to = Math.min(ids.length, completionStart + maxCompletionLength);
  return { ...part(whole, from, to), promptCut: from > 0, answerCut: to < ids.length };
};

/** A prompt with each of some answers; without them where the prompt alone fills the maximum length. */
const completions = (
  row: Extract<Row, { readonly prompt: Turns }>,
  answers: readonly Turns[],
  tokenizer: Tokenizer,
  options: TokenizeOptions,
  report: TokenizeReport,
): Whole[] =>
  located(row.at, () => {
    const { prompt } = row;
    const encodeChat = encoderOf(row, tokenizer, report);
    report[typeof prompt === "string" ? "texts" : "conversations"]++;
    const promptIds = typeof prompt === "string" ? tokenizer.encode(prompt) : encodeChat(prompt, true);
    const alone = eachCut({ ids: promptIds, completionStart: promptIds.length }, options);
    if (isPromptOnly(alone, options)) return [alone];
    return answers.map((answer) => {
      const ids =
        typeof prompt === "string"
          ? tokenizer.encode(prompt + withEos(answer as string, tokenizer))
          : encodeChat([...prompt, ...(answer as Exclude<Turns, string>)], false);
      const mismatch = promptIds.some((id, i) => id !== ids[i]);
      return eachCut({ ids, completionStart: Math.min(promptIds.length, ids.length), mismatch }, options);
    });
  });

/** An instruction with its answer, of which only the answer carries the loss unless `completionOnly` is false. */
const completed = (
  row: CompletionRow,
  tokenizer: Tokenizer,
  options: TokenizeOptions,
  report: TokenizeReport,
): readonly Whole[] => {
  if (options.completionOnly !== false) return completions(row, [row.completion], tokenizer, options, report);
  return completions(row, [row.completion], tokenizer, {}, report).map((one) => ({ ...one, completionStart: 0 }));
};

const documentIds = (content: Turns, row: Row, tokenizer: Tokenizer, report: TokenizeReport): readonly number[] =>
  located(row.at, () => {
    const encodeChat = encoderOf(row, tokenizer, report);
    report[typeof content === "string" ? "texts" : "conversations"]++;
    return typeof content === "string" ? tokenizer.encode(withEos(content, tokenizer)) : encodeChat(content, false);
  });

/** Would the cut leave no completion token? */
const isPromptOnly = ({ completionStart }: Sequence, { maxLength, truncationMode }: TokenizeOptions): boolean =>
  maxLength !== undefined && truncationMode !== "keep_end" && completionStart >= maxLength;

/** Cuts, checks and counts the sequences of a row; undefined if one of them would have no completion left. */
const finish = (
  wholes: readonly Whole[],
  at: string,
  options: TokenizeOptions,
  report: TokenizeReport,
): Sequence[] | undefined => {
  report.rows++;
  if (wholes.some((whole) => isPromptOnly(whole, options))) {
    report.dropped++;
    name(report.droppedAt, at);
    return undefined;
  }
  return wholes.map((whole) => cutAndCounted(whole, at, options, report));
};

const cutAndCounted = (
  { mismatch, promptCut, answerCut, ...whole }: Whole,
  at: string,
  { maxLength = Number.POSITIVE_INFINITY, truncationMode = "keep_start", vocabSize }: TokenizeOptions,
  report: TokenizeReport,
): Sequence => {
  const { length } = whole.ids;
  if (vocabSize !== undefined) checkTokenIds(whole.ids, vocabSize, at);
  const cut = Math.max(0, length - maxLength);
  const from = truncationMode === "keep_end" ? cut : 0;
  const kept = part(whole, from, from + length - cut);
  const targets = targetsIn(kept);
  report.sequences++;
  report.promptMismatches += mismatch === true ? 1 : 0;
  report.promptsCut += promptCut === true ? 1 : 0;
  report.answersCut += answerCut === true ? 1 : 0;
  report.tokens += kept.ids.length;
  report.completionTokens += targets;
  report.longest = Math.max(report.longest, kept.ids.length);
  report.truncated += cut > 0 ? 1 : 0;
  if (cut > 0) name(report.truncatedAt, at);
  report.tokensCut += cut;
  report.withoutCompletion += targets === 0 ? 1 : 0;
  return kept;
};
