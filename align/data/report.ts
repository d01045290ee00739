import type { FieldsRead } from "./render.js";

/** What happened to the rows, to be told before training on them. Counted in sequences, so two a pair, but for `dropped`. */
export interface TokenizeReport {
  /** Rows that were read; of these `dropped` and `unwanted` ones were left out. */
  rows: number;
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
  /** Sequences whose prompt, or whose answer, was cut to a maximum of its own. */
  promptsCut: number;
  answersCut: number;
  /** Sequences without any completion token: they teach nothing. */
  withoutCompletion: number;
  /** Sequences whose prompt alone tokenizes differently than at their beginning. The split is by length then, as in TRL. */
  promptMismatches: number;
  /** Rows that were left out since they are labelled as what must not be learned. */
  unwanted: number;
  /** Pairs of text whose answers both begin with their prompt once more. */
  promptsRepeated: number;
  /** Rows of plain text, and rows of turns. */
  texts: number;
  conversations: number;
  /** Columns that nothing was made of. */
  readonly unused: string[];
  /** What conversations hold beside roles and contents, and whether it ever changed what the chat template made of them. */
  readonly fields: FieldsRead;
  /** Where the first few rows stand that were left out, and that were cut. */
  readonly droppedAt: string[];
  readonly truncatedAt: string[];
}

/** So many rows of each kind are named. */
const NAMED = 3;

/** Before any row. */
export const emptyReport = (): TokenizeReport => ({
  rows: 0,
  dropped: 0,
  sequences: 0,
  tokens: 0,
  completionTokens: 0,
  longest: 0,
  truncated: 0,
  tokensCut: 0,
  promptsCut: 0,
  answersCut: 0,
  withoutCompletion: 0,
  promptMismatches: 0,
  unwanted: 0,
  promptsRepeated: 0,
  texts: 0,
  conversations: 0,
  unused: [],
  fields: {},
  droppedAt: [],
  truncatedAt: [],
});

/** Adds what is to be told of later rows. */
export const addReport = (report: TokenizeReport, later: Readonly<TokenizeReport>): void => {
  for (const key of Object.keys(report) as (keyof TokenizeReport)[]) {
    if (typeof report[key] === "number")
      (report as Record<typeof key, unknown>)[key] = report[key] + (later[key] as number);
  }
  report.longest = Math.max(report.longest - later.longest, later.longest);
  for (const column of later.unused) if (!report.unused.includes(column)) report.unused.push(column);
  for (const [field, isRead] of Object.entries(later.fields))
    report.fields[field] = report.fields[field] === true || isRead;
  for (const list of ["droppedAt", "truncatedAt"] as const) for (const at of later[list]) name(report[list], at);
};

/** Adds a row to those that are named. */
export const name = (list: string[], at: string): void => {
  if (list.length < NAMED && list[list.length - 1] !== at) list.push(at);
};
