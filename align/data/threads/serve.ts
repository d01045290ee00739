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

/** Rows of tokens, one after the other; those that are left out have size 0. */
export interface MadeRows {
  readonly bytes: Uint8Array;
  /** How many each row has become. */
  readonly parts: readonly number[];
  readonly sizes: readonly number[];
  readonly contents: readonly number[];
  readonly longest: readonly number[];
  readonly report: TokenizeReport;
}

const received = ({ given, bytes }: SentRows): readonly RawRow[] =>
  given.map((row) => ("from" in row ? { at: row.at, json: bytes.subarray(row.from, row.to) } : row));

/** Makes rows tokens, on a thread; loaded there by its name. */
export const serve = ({ kind, recipe, options, progress }: Setting): Answerer<SentRows, MadeRows> => {
  const job = { kind, tokenizer: tokenizerBy(recipe), options };
  const { fields } = emptyReport(); // what was seen to matter once need not be tried again
  return (sent) => {
    const report = { ...emptyReport(), fields };
    const rows = packedBatch(received(sent), job, report, (i) => {
      progress[0] = i;
    });
    const all = rows.flat();
    const sizes = all.map((row) => row?.bytes.length ?? 0);
    const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const row of all) {
      bytes.set(row?.bytes ?? [], at);
      at += row?.bytes.length ?? 0;
    }
    return {
      value: {
        ...{ bytes, sizes, report },
        parts: rows.map((row) => row.length),
        contents: all.map((row) => row?.content ?? 0),
        longest: all.map((row) => row?.longest ?? 0),
      },
      transfer: [bytes.buffer],
    };
  };
};
