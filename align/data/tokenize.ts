import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import { assistantSpans } from "./assistant.js";
import { eachCut, finish, isPromptOnly, type Whole } from "./cut.js";
import type { CompletionRow, DocumentRow, PairedRow, Row, UnpairedRow } from "./layouts/data-row.js";
import type { Turns } from "./layouts/turns.js";
import { fitting, noteFields } from "./render.js";
import { emptyReport, type TokenizeReport } from "./report.js";
import type { LabelledSequence, Sequence, TokenizeOptions, TokenPair } from "./sequence.js";

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
  const marked = options.assistantOnly ? whole.map((one) => ofAssistant(one, row, content, tokenizer)) : whole;
  const kept = finish(marked, at, options, report);
  return kept && { ...kept[0], at };
};

/** A conversation of which only the assistant's tokens are learned; a prompt that was cut off before its answer stays as it is. */
const ofAssistant = (
  whole: Whole,
  row: CompletionRow | DocumentRow | UnpairedRow,
  document: Turns | undefined,
  tokenizer: Tokenizer,
): Whole =>
  located(row.at, () => {
    const { prompt, completion } = row as CompletionRow;
    const messages = document ?? (typeof prompt === "string" ? prompt : [...prompt, ...(completion as typeof prompt)]);
    if (typeof messages === "string")
      throw new InputError("assistant_only_loss needs conversations, and this row is text; leave it out");
    if (whole.completionStart >= whole.ids.length) return whole;
    return {
      ...whole,
      spans: assistantSpans(fitting(messages, tokenizer), row.variables ?? {}, tokenizer),
    };
  });

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
  expects("tokenizePairs", "records record record?", rows, tokenizer, options);
  const { kept: pairs, report } = tokenizeAll(tokenizePair, rows, tokenizer, options);
  return { pairs, report };
};

/** All of some instruction rows and documents: see `tokenizeExample`. */
export const tokenizeExamples = (
  rows: readonly (CompletionRow | DocumentRow | UnpairedRow)[],
  tokenizer: Tokenizer,
  options?: TokenizeOptions,
) => {
  expects("tokenizeExamples", "records record record?", rows, tokenizer, options);
  const { kept: sequences, report } = tokenizeAll(tokenizeExample, rows, tokenizer, options);
  return { sequences, report };
};

/** All of some labelled answers: see `tokenizeLabelled`. */
export const tokenizeAnswers = (rows: readonly UnpairedRow[], tokenizer: Tokenizer, options?: TokenizeOptions) => {
  expects("tokenizeAnswers", "records record record?", rows, tokenizer, options);
  const { kept: sequences, report } = tokenizeAll(tokenizeLabelled, rows, tokenizer, options);
  return { sequences, report };
};

/** Puts `at` before what tokenizer or template complain about. */
export const located = <T>(at: string, run: () => T): T => {
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
