import { InputError } from "../../../core/errors.js";
import { oneLine } from "../../../models/files/json.js";
import { checkRegular } from "../../../models/files/regular.js";
import { type AskOptions, startThread, type Thread, ThreadLost } from "../../../models/strangers/thread.js";
import { INFLATION } from "./inflation.js";
import type { RawRow } from "./json.js";
import type { ParquetAnswer, ParquetAsk } from "./parquet-thread.js";

/** Most memory of the thread's values, in MiB: what a file has it grow by counts first. */
const MEBIBYTES = 4096;
/** Longest that a piece of a file may take, in ms, and most that it may take of memory, in MiB; more by the MiB of the file. */
const [LIMIT, LIMIT_EACH, GROWTH, GROWTH_EACH] = [8000, 2000, 640, 8];

const limits = (bytes: number): AskOptions => ({
  limit: LIMIT + (LIMIT_EACH * bytes) / 2 ** 20,
  growth: Math.ceil(GROWTH + (GROWTH_EACH * bytes) / 2 ** 20),
});

type Ask = (message: ParquetAsk, options: AskOptions) => Promise<ParquetAnswer>;

/** The thread that reads; it stays, and keeps no process alive. */
let kept: Thread<ParquetAsk, ParquetAnswer> | undefined;
let readers = 0;

const start = async (): Promise<Ask> => {
  const { here, serve } = await import("./parquet-thread.js");
  const revive = (message: string, isInput: boolean) => (isInput ? new InputError(message) : new Error(message));
  kept ??= startThread({ module: { here, serve }, data: undefined, mebibytes: MEBIBYTES }, revive);
  const thread = kept;
  await thread.coming;
  if (thread.isReady()) return thread.ask;
  // Whoever bundled this module elsewhere may have left nothing that a thread could load.
  kept = undefined;
  const answer = serve();
  return async (message) => (await answer(message)).value;
};

/**
 * The rows of a Parquet file, a row group at a time; `onRead` hears the share of them that is read. It is read by a thread of
 * its own, which takes so much time and memory as the file's size allows for; `inflation` is the most bytes of rows that a
 * byte of it may become. Errors: InputError for a file that is none or is broken, or takes more than that, and without the
 * package `hyparquet`.
 */
export async function* parquetRows(
  path: string,
  onRead: (share: number) => void,
  inflation = INFLATION,
): AsyncGenerator<RawRow> {
  checkRegular(path);
  const ask = await start();
  const thread = kept;
  const id = readers++;
  const guarded = async (message: ParquetAsk, bytes: number, what: string): Promise<ParquetAnswer> => {
    try {
      return await ask(message, limits(bytes));
    } catch (error) {
      if (error instanceof InputError) throw error;
      const why = oneLine(error instanceof Error ? error.message : String(error));
      if (!(error instanceof ThreadLost)) throw new InputError(`${path}: is no Parquet file, or is broken (${why})`);
      if (kept === thread) kept = undefined;
      throw new InputError(`${path}: reading ${what} ${why}`);
    }
  };
  try {
    const { groups = [] } = await guarded({ id, open: path, inflation }, 0, "its outline");
    let number = 0;
    for (const [i, [count, bytes]] of groups.entries()) {
      const what = `row group ${i + 1}, of ${bytes} bytes,`;
      for (let message: ParquetAsk = { id, group: i }; count > 0; message = { id, isMore: true }) {
        const { rows = [] } = await guarded(message, bytes, what);
        if (rows.length === 0) break;
        for (const value of rows) yield { at: `${path}: row ${++number}`, value };
      }
      onRead((i + 1) / groups.length);
    }
  } finally {
    if (kept === thread) ask({ id, isClosed: true }, limits(0)).catch(() => {});
  }
}
