import type { Row } from "./layouts/data-row.js";
import { unpaired } from "./layouts/unpair.js";
import type { LabelledSequence, Sequence, TokenPair } from "./sequence.js";
import type { RowForm } from "./token-record.js";
import { type TokenizeRow, tokenizeExample, tokenizeLabelled, tokenizePair } from "./tokenize.js";

/** What a training run takes its rows as. */
export interface DatasetKind<K extends Row["kind"], T> {
  readonly kinds: readonly K[];
  readonly tokenize: TokenizeRow<Extract<Row, { kind: K }>, T>;
  readonly form: RowForm<T>;
  /** What one row becomes before it is made tokens, one or two rows. Default: itself. */
  readonly parts?: (row: Row) => readonly Row[];
}

const pairs: DatasetKind<"paired", TokenPair> = {
  kinds: ["paired"],
  tokenize: tokenizePair,
  form: {
    sequences: ({ chosen, rejected }) => [chosen, rejected],
    row: ([chosen, rejected], _label, at) => ({ chosen, rejected, at }),
  },
};

const examples: DatasetKind<"completion" | "document" | "unpaired", Sequence> = {
  kinds: ["completion", "document", "unpaired"],
  tokenize: tokenizeExample,
  form: { sequences: (row) => [row], row: ([row], _label, at) => ({ ...row, at }) },
};

const labelled: DatasetKind<"unpaired", LabelledSequence> = {
  kinds: ["unpaired"],
  parts: unpaired,
  tokenize: tokenizeLabelled,
  form: {
    sequences: (row) => [row],
    label: ({ label }) => Number(label),
    row: ([row], label, at) => ({ ...row, label: label === 1, at }),
  },
};

/** The kinds of data sets, by name. */
export const KINDS = { pairs, examples, labelled } as const;

export type KindName = keyof typeof KINDS;

/** A row that a kind's data set is stored as. */
export type RowOf<N extends KindName> = (typeof KINDS)[N] extends DatasetKind<infer _, infer T> ? T : never;

/** A kind whose rows are whatever they are. */
export type AnyKind = DatasetKind<Row["kind"], { readonly at?: string }>;
