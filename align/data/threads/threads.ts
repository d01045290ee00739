import { availableParallelism } from "node:os";
import { InputError } from "../../../core/errors.js";
import { process } from "../../../models/platform/node/globals.js";
import { startThread, type Thread, ThreadLost } from "../../../models/strangers/thread.js";
import type { TokenizerRecipe } from "../../../models/text/tokenizer.js";
import type { RawRow } from "../files/json.js";
import type { TokenizeReport } from "../report.js";
import type { PackedRow } from "../token-record.js";
import type { Job, Parts } from "./batch.js";
import type { MadeRows, SentRows } from "./serve.js";

/** Longest that a batch of rows may take, in ms; each text has a clock of its own. */
const LIMIT = 120_000;
/** Most memory of a thread: the largest tokenizers take a third of it. */
const MEBIBYTES = 1024;
/** More threads than this wait for the one that reads. */
const MOST = 8;

/** How many threads there are to be: as TAUGRAD_THREADS says, else the cores. */
const count = (): number => Math.min(MOST, Number(process.env.TAUGRAD_THREADS) || availableParallelism());

/** Rows as tokens, and what is to be told of them. */
export interface Made {
  readonly rows: readonly Parts[];
  readonly report: TokenizeReport;
}

export interface Threads {
  readonly count: number;
  /** Is over when each has come up, or cannot. */
  readonly coming: Promise<unknown>;
  /** Whether all have come up. */
  readonly areReady: () => boolean;
  /** Errors: InputError, the first of the rows', or where the rows take too much time or memory. */
  readonly run: (rows: readonly RawRow[]) => Promise<Made>;
  readonly close: () => void;
}

const sent = (rows: readonly RawRow[]): SentRows => {
  const bytes = new Uint8Array(rows.reduce((sum, row) => sum + ("json" in row ? row.json.length : 0), 0));
  let end = 0;
  const given = rows.map((row) => {
    if (!("json" in row)) return { at: row.at, value: row.value };
    bytes.set(row.json, end);
    end += row.json.length;
    return { at: row.at, from: end - row.json.length, to: end };
  });
  return { given, bytes };
};

const received = ({ bytes, parts, sizes, contents, longest, report }: MadeRows): Made => {
  let [next, end] = [0, 0];
  const one = (): PackedRow | undefined => {
    const i = next++;
    end += sizes[i];
    if (sizes[i] === 0) return undefined;
    return { bytes: bytes.subarray(end - sizes[i], end), content: contents[i], longest: longest[i] };
  };
  return { rows: parts.map((count) => Array.from({ length: count }, one)), report };
};

/** Threads that make rows tokens; undefined where there is but one core, or nothing can be loaded from here. */
export const startThreads = async ({ kind, options }: Job, recipe: TokenizerRecipe): Promise<Threads | undefined> => {
  const many = count();
  if (many < 2) return undefined;
  const { here, serve } = await import("./serve.js");
  const workers = Array.from({ length: many }, () => {
    const progress = new Int32Array(new SharedArrayBuffer(4));
    const setting = { kind, recipe, options, progress };
    const revive = (message: string, isInput: boolean) => (isInput ? new InputError(message) : new Error(message));
    const thread: Thread<SentRows, MadeRows> = startThread(
      { module: { here, serve }, data: setting, mebibytes: MEBIBYTES },
      revive,
    );
    return { thread, progress, waiting: 0 };
  });
  return {
    count: many,
    coming: Promise.all(workers.map(({ thread }) => thread.coming)),
    areReady: () => workers.every(({ thread }) => thread.isReady()),
    run: async (rows) => {
      const worker = workers.reduce((least, other) => (other.waiting < least.waiting ? other : least));
      worker.waiting++;
      const message = sent(rows);
      try {
        return received(
          await worker.thread.ask(message, { limit: LIMIT, transfer: [message.bytes.buffer as ArrayBuffer] }),
        );
      } catch (error) {
        if (!(error instanceof ThreadLost)) throw error;
        const { at } = rows[Math.min(worker.progress[0], rows.length - 1)];
        throw new InputError(`${at}: making tokens of it and of rows near it ${error.message}`);
      } finally {
        worker.waiting--;
      }
    },
    close: () => {
      for (const { thread } of workers) thread.close();
    },
  };
};
