import { setImmediate as turn } from "node:timers/promises";
import { recipeOf } from "../../../models/text/tokenizer.js";
import type { RawRow } from "../files/json.js";
import { firstsFirst } from "../layouts/unpair.js";
import { addReport, emptyReport, type TokenizeReport } from "../report.js";
import type { PackedRow } from "../token-record.js";
import { type Job, type Parts, packedBatch } from "./batch.js";
import { type Made, startThreads } from "./threads.js";

/** Rows, and bytes of JSON, of a batch. */
const [ROWS, BYTES] = [64, 1 << 18];
/** What is done within so many ms is done here: threads take as long to come up, and to read the tokenizer. */
const PATIENCE = 1000;

async function* batchesOf(rows: AsyncIterable<RawRow>): AsyncGenerator<readonly RawRow[]> {
  let [batch, bytes]: [RawRow[], number] = [[], 0];
  for await (const row of rows) {
    batch.push(row);
    bytes += "json" in row ? row.json.length : 0;
    if (batch.length < ROWS && bytes < BYTES) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

/**
 * Rows made tokens, in order, and counted in `report`: here at first, and by all cores where it takes longer than a moment.
 * What comes is the same either way, the first error too. `where` forces one way, for laws of that.
 */
export async function* tokenizedRows(
  rows: AsyncIterable<RawRow>,
  job: Job,
  report: TokenizeReport,
  where?: "here" | "threads",
): AsyncGenerator<PackedRow> {
  for await (const row of firstsFirst(eachRow(rows, job, report, where))) if (row !== undefined) yield row;
}

/** What becomes of each row. */
async function* eachRow(
  rows: AsyncIterable<RawRow>,
  job: Job,
  report: TokenizeReport,
  where?: "here" | "threads",
): AsyncGenerator<Parts> {
  const recipe = where === "here" ? undefined : recipeOf(job.tokenizer);
  const batches = batchesOf(rows);
  const began = performance.now();
  let threads = recipe && where === "threads" ? await startThreads(job, recipe.recipe) : undefined;
  await threads?.coming;
  let isStarting = threads !== undefined;
  const asked: Promise<Made>[] = [];

  const counted = (part: TokenizeReport): void => {
    addReport(report, part);
    if (part.conversations > 0) recipe?.hearChat?.();
  };
  const first = async function* (): AsyncGenerator<Parts> {
    const { rows: done, report: part } = await (asked.shift() as Promise<Made>);
    counted(part);
    yield* done;
  };

  try {
    for (;;) {
      let next: IteratorResult<readonly RawRow[]>;
      try {
        next = await batches.next();
      } catch (error) {
        while (asked.length > 0) yield* first(); // an earlier row may have its own to say
        throw error;
      }
      if (next.done === true) break;
      const batch = next.value;
      if (threads?.areReady()) {
        const made = threads.run(batch);
        made.catch(() => {}); // heard when it is its turn
        asked.push(made);
        if (asked.length > 2 * threads.count) yield* first();
        continue;
      }
      const part = { ...emptyReport(), fields: report.fields };
      const done = packedBatch(batch, job, part);
      addReport(report, part);
      yield* done;
      if (!isStarting && recipe !== undefined && performance.now() - began >= PATIENCE) {
        isStarting = true;
        threads = await startThreads(job, recipe.recipe);
      }
      if (isStarting) await turn(); // a thread that is ready is heard of between turns alone
    }
    while (asked.length > 0) yield* first();
  } finally {
    threads?.close();
  }
}
