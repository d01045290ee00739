import type { Answerer } from "../../../models/strangers/thread.js";
import { type TokenizerRecipe, tokenizerBy } from "../../../models/text/tokenizer.js";
import type { RawRow } from "../files/json.js";
import type { KindName } from "../kinds.js";
import { emptyReport, type TokenizeReport } from "../report.js";
import type { TokenizeOptions } from "../sequence.js";
import { packedBatch } from "./batch.js";

/** Where this module lies, for the thread that loads it. */
export const here = import.meta.url;

/** What a thread is told once. */
export interface Setting {
  readonly kind: KindName;
  readonly recipe: TokenizerRecipe;
  readonly options: TokenizeOptions;
  /** [1], shared: the row that is under way. */
  readonly progress: Int32Array;
}

/** Rows, of which those in JSON lie in one block of bytes. */
export interface SentRows {
  readonly given: readonly ({ readonly at: string } & (
    | { readonly from: number; readonly to: number }
    | { readonly value: unknown }
  ))[];
  readonly bytes: Uint8Array;
}

/** Rows of tokens, one after the other; undefined in place of all where rows would become others. */
export interface MadeRows {
  readonly bytes: Uint8Array;
  readonly sizes: readonly number[];
  readonly contents: readonly number[];
  readonly longest: readonly number[];
  readonly report: TokenizeReport;
}

const received = ({ given, bytes }: SentRows): readonly RawRow[] =>
  given.map((row) => ("from" in row ? { at: row.at, json: bytes.subarray(row.from, row.to) } : row));

/** Makes rows tokens, on a thread; loaded there by its name. */
export const serve = ({ kind, recipe, options, progress }: Setting): Answerer<SentRows, MadeRows | undefined> => {
  const job = { kind, tokenizer: tokenizerBy(recipe), options };
  const { fields } = emptyReport(); // what was seen to matter once need not be tried again
  return (sent) => {
    const report = { ...emptyReport(), fields };
    const rows = packedBatch(received(sent), job, report, (i) => {
      progress[0] = i;
    });
    if (rows === undefined) return { value: undefined };
    const bytes = new Uint8Array(rows.reduce((sum, row) => sum + row.bytes.length, 0));
    let at = 0;
    for (const row of rows) {
      bytes.set(row.bytes, at);
      at += row.bytes.length;
    }
    return {
      value: {
        bytes,
        sizes: rows.map((row) => row.bytes.length),
        contents: rows.map(({ content }) => content),
        longest: rows.map(({ longest }) => longest),
        report,
      },
      transfer: [bytes.buffer],
    };
  };
};
