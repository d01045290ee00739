import type { Rows } from "../../align/data/rows.js";
import type { Sequence } from "../../align/data/sequence.js";
import { learnedSpans, targetsIn } from "../../align/data/sequence.js";
import type { Tokenizer } from "../../models/index.js";

/** A sequence as the model reads it. */
export interface Sample {
  /** Which side of a row: "chosen", "rejected", … */
  readonly name: string;
  readonly tokens: number;
  /** Tokens that carry the loss. */
  readonly targets: number;
  readonly prompt: string;
  /** What is learned; of several stretches with ⟧ … ⟦ between them. */
  readonly completion: string;
  /** What stands after it. */
  readonly rest: string;
  readonly ids: readonly number[];
  /** 1 where the token is a loss target. */
  readonly mask: readonly (0 | 1)[];
}

/** A row of the data as the model reads it. */
export interface SampleRow {
  readonly at: string;
  readonly sequences: readonly Sample[];
}

const isSequence = (value: unknown): value is Sequence =>
  typeof value === "object" && value !== null && "completionStart" in value;

/** The sequences of a pair, of a labelled answer, or of an example, by what they are. */
const partsOf = (row: object): readonly (readonly [name: string, sequence: Sequence])[] => {
  if (!isSequence(row)) return Object.entries(row).filter((entry): entry is [string, Sequence] => isSequence(entry[1]));
  const label = "label" in row ? row.label : undefined;
  return [[label === undefined ? "row" : label === true ? "wanted" : "unwanted", row]];
};

const sampleOf = (name: string, sequence: Sequence, { decode }: Tokenizer): Sample => {
  const { ids } = sequence;
  const spans = learnedSpans(sequence);
  const start = Math.max(1, spans[0]?.[0] ?? ids.length); // the first token has nothing before it to be predicted from
  const end = spans.at(-1)?.[1] ?? ids.length;
  return {
    name,
    tokens: ids.length,
    targets: targetsIn(sequence),
    prompt: decode(ids.slice(0, start)),
    completion: spans.map(([from, to]) => decode(ids.slice(Math.max(1, from), to))).join("⟧ … ⟦"),
    rest: decode(ids.slice(end)),
    ids,
    mask: ids.map((_, i) => (i > 0 && spans.some(([from, to]) => from <= i && i < to) ? 1 : 0)),
  };
};

/** The first `count` rows, back from tokens to text. */
export const sampleRows = <T>(rows: Rows<T>, count: number, tokenizer: Tokenizer): SampleRow[] =>
  Array.from({ length: Math.min(count, rows.length) }, (_, i) => {
    const row = rows.at(i) as T & { readonly at?: string };
    const sequences = partsOf(row as object).map(([name, sequence]) => sampleOf(name, sequence, tokenizer));
    return { at: row.at ?? `row ${i + 1}`, sequences };
  });

/** Ids of a long row that are shown at either side of the border, and characters of a text. */
const [IDS, TEXT] = [12, 400];

const shortened = (text: string, at: "start" | "end"): string => {
  if (text.length <= TEXT) return text;
  return at === "start" ? `… ${text.slice(-TEXT)}` : `${text.slice(0, TEXT)} …`;
};

/** What carries the loss stands in ⟦ ⟧, as text and as ids. */
export const printSamples = (rows: readonly SampleRow[]): string =>
  rows
    .flatMap(({ at, sequences }) => [
      at,
      ...sequences.flatMap(({ name, tokens, targets, prompt, completion, rest, ids, mask }) => {
        const first = mask.indexOf(1);
        const border = first < 0 ? tokens : first;
        const before = ids.slice(Math.max(0, border - IDS), border).join(" ");
        const after = ids.slice(border, border + IDS).join(" ");
        return [
          `  ${name}: ${tokens} tokens, ${targets} of them learned`,
          `    ${JSON.stringify(shortened(prompt, "start")).slice(1, -1)}⟦${JSON.stringify(shortened(completion, "end")).slice(1, -1)}⟧${JSON.stringify(shortened(rest, "end")).slice(1, -1)}`,
          `    ${border > IDS ? "… " : ""}${before} ⟦${after}${targets > IDS ? " …" : ""}⟧`,
        ];
      }),
    ])
    .join("\n");
