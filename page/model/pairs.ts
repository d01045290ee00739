import { rowsOfKind } from "../../align/data/data.js";
import { jsonRows, rowValue } from "../../align/data/files/json.js";
import { parseRow } from "../../align/data/layouts/data-row.js";
import type { TokenPair } from "../../align/data/sequence.js";
import { tokenizePairs } from "../../align/data/tokenize.js";
import { InputError } from "../../core/index.js";
import type { Tokenizer } from "../../models/index.js";

async function* chunksOf(file: File): AsyncGenerator<Uint8Array, void> {
  const reader = file.stream().getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

/** The pairs of a file, as tokens, as `taugrad dpo` reads them. Errors: InputError "file:line: …"; for a file of none. */
export const pairsOf = async (
  file: File,
  tokenizer: Tokenizer,
  { maxLength, vocabSize }: { readonly maxLength: number; readonly vocabSize: number },
): Promise<{ readonly pairs: readonly TokenPair[]; readonly rows: number }> => {
  const rows = [];
  for await (const raw of jsonRows(file.name, chunksOf(file))) rows.push(parseRow(rowValue(raw), raw.at));
  const { pairs } = tokenizePairs(rowsOfKind(rows, "paired"), tokenizer, { maxLength, vocabSize });
  if (pairs.length === 0) throw new InputError(`${file.name}: holds no pairs that fit into ${maxLength} tokens`);
  return { pairs, rows: rows.length };
};
