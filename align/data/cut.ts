import { checkTokenIds } from "../../models/text/tokenizer.js";
import { name, type TokenizeReport } from "./report.js";
import { part, type Sequence, type TokenizeOptions, targetsIn } from "./sequence.js";

/** A sequence before it is cut. */
export interface Whole extends Sequence {
  /** Its prompt tokenizes differently alone. */
  readonly mismatch?: boolean;
  /** Its prompt, or its answer, was cut to a maximum of its own. */
  readonly promptCut?: boolean;
  readonly answerCut?: boolean;
}

/** Prompt and answer, each cut to its own maximum: source DPOTrainer.tokenize_row of huggingface/trl before 1.0. */
export const eachCut = (
  whole: Whole,
  { maxPromptLength = Number.POSITIVE_INFINITY, maxCompletionLength = Number.POSITIVE_INFINITY }: TokenizeOptions,
): Whole => {
  const { ids, completionStart } = whole;
  const from = Math.max(0, completionStart - maxPromptLength);
  const to = Math.min(ids.length, completionStart + maxCompletionLength);
  return { ...part(whole, from, to), promptCut: from > 0, answerCut: to < ids.length };
};

/** Would the cut leave no completion token? */
export const isPromptOnly = ({ completionStart }: Sequence, { maxLength, truncationMode }: TokenizeOptions): boolean =>
  maxLength !== undefined && truncationMode !== "keep_end" && completionStart >= maxLength;

/** Cuts, checks and counts the sequences of a row; undefined if one of them would have no completion left. */
export const finish = (
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
