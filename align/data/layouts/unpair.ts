import { expects } from "../../../core/expects.js";
import type { PairedRow, Row, UnpairedRow } from "./data-row.js";

/** So many pairs are taken apart at a time, as TRL takes them from `datasets`' map. */
const BLOCK = 1000;

/** A preference pair as two labelled answers, the chosen one first; another row stays as it is. */
export const unpaired = (row: Row): readonly Row[] => {
  if (row.kind !== "paired") return [row];
  const { chosen, rejected, ...shared }: PairedRow = row;
  const answer = (completion: UnpairedRow["completion"], label: boolean): UnpairedRow => ({
    ...{ ...shared, kind: "unpaired", completion, label },
  });
  return [answer(chosen, true), answer(rejected, false)];
};

/**
 * What was made of rows, one or two of each: of up to 1000 twos the first ones come first, the second ones after them, so that
 * neighbours answer different prompts, as KTO's KL term wants them.
 * Source: `unpair_preference_dataset` of huggingface/trl 1.x.
 */
export async function* firstsFirst<T>(made: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  let [firsts, seconds]: [T[], T[]] = [[], []];
  function* gathered(): Generator<T> {
    yield* [...firsts, ...seconds];
    [firsts, seconds] = [[], []];
  }
  for await (const [first, ...rest] of made) {
    if (rest.length > 0) {
      firsts.push(first);
      seconds.push(...rest);
      if (firsts.length === BLOCK) yield* gathered();
    } else {
      yield* gathered();
      yield first;
    }
  }
  yield* gathered();
}

/** Preference pairs as two labelled answers each, in the order of `firstsFirst`; other rows stay as they are. */
export async function* unpairRows(rows: AsyncIterable<Row>): AsyncGenerator<Row> {
  expects("unpairRows", "record", rows);
  const made = (async function* () {
    for await (const row of rows) yield unpaired(row);
  })();
  yield* firstsFirst(made);
}
