import type { Row, UnpairedRow } from "./data-row.js";

/** So many pairs are taken apart at a time, as TRL takes them from `datasets`' map. */
const BLOCK = 1000;

/**
 * Preference pairs as two labelled answers each; other rows stay as they are. The chosen answers of up to 1000 pairs come
 * first, the rejected ones after them, so that neighbours answer different prompts, as KTO's KL term wants them.
 * Source: `unpair_preference_dataset` of huggingface/trl 1.x.
 */
export async function* unpairRows(rows: AsyncIterable<Row>): AsyncGenerator<Row> {
  let [chosen, rejected]: [UnpairedRow[], UnpairedRow[]] = [[], []];
  function* gathered(): Generator<Row> {
    yield* [...chosen, ...rejected];
    [chosen, rejected] = [[], []];
  }
  for await (const row of rows) {
    if (row.kind === "paired") {
      const { chosen: better, rejected: worse, ...shared } = row;
      chosen.push({ ...shared, kind: "unpaired", completion: better, label: true });
      rejected.push({ ...shared, kind: "unpaired", completion: worse, label: false });
      if (chosen.length === BLOCK) yield* gathered();
    } else {
      yield* gathered();
      yield row;
    }
  }
  yield* gathered();
}
