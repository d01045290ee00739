import type { Tokenizer } from "../../../models/text/tokenizer.js";
import { ofKind, rowOf } from "../data.js";
import type { RawRow } from "../files/json.js";
import { type AnyKind, KINDS, type KindName } from "../kinds.js";
import type { Row } from "../layouts/data-row.js";
import type { TokenizeReport } from "../report.js";
import type { TokenizeOptions } from "../sequence.js";
import { type PackedRow, packed } from "../token-record.js";

/** What it takes to make rows tokens. */
export interface Job {
  readonly kind: KindName;
  readonly tokenizer: Tokenizer;
  readonly options: TokenizeOptions;
}

const kindOf = ({ kind }: Job): AnyKind => KINDS[kind] as unknown as AnyKind;

const packedRow = (row: Row, job: Job, report: TokenizeReport): PackedRow | undefined => {
  const { kinds, tokenize, form } = kindOf(job);
  const tokens = tokenize(ofKind(row, kinds), job.tokenizer, job.options, report);
  return tokens && packed(tokens, form);
};

/** What was made of a row: one, or of a row in two parts two; undefined for what is left out. */
export type Parts = readonly (PackedRow | undefined)[];

/**
 * Rows made tokens one by one, counted in `report`; `onRow` hears of each before it begins. Errors: those of `streamRows`;
 * InputError for a row of another kind, and for one that cannot be tokenized.
 */
export const packedBatch = (
  rows: readonly RawRow[],
  job: Job,
  report: TokenizeReport,
  onRow: (index: number) => void = () => {},
): readonly Parts[] => {
  const { parts = (row: Row) => [row] } = kindOf(job);
  return rows.map((raw, i) => {
    onRow(i);
    return parts(rowOf(raw)).map((row) => packedRow(row, job, report));
  });
};
