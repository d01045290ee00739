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

/**
 * Rows made tokens one by one, counted in `report`; `onRow` hears of each before it begins. Undefined if the kind would make
 * other rows of one of them (then nothing of it counts). Errors: those of `streamRows`; InputError for a row of another kind,
 * and for one that cannot be tokenized.
 */
export const packedBatch = (
  rows: readonly RawRow[],
  job: Job,
  report: TokenizeReport,
  onRow: (index: number) => void = () => {},
): readonly PackedRow[] | undefined => {
  const { each } = kindOf(job);
  const done: PackedRow[] = [];
  for (const [i, raw] of rows.entries()) {
    onRow(i);
    const row = rowOf(raw);
    if (each !== undefined && row.kind === "paired") return undefined;
    const own = packedRow(row, job, report);
    if (own !== undefined) done.push(own);
  }
  return done;
};

/** The same of rows that may become others, as they are asked for. */
export async function* packedStream(
  rows: AsyncIterable<RawRow>,
  job: Job,
  report: TokenizeReport,
): AsyncGenerator<PackedRow> {
  const parsed = (async function* () {
    for await (const raw of rows) yield rowOf(raw);
  })();
  for await (const row of kindOf(job).each?.(parsed) ?? parsed) {
    const own = packedRow(row, job, report);
    if (own !== undefined) yield own;
  }
}
