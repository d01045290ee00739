import type { TokenizeReport } from "../../align/tokenize.js";
import { InputError } from "../../core/errors.js";
import type { Output } from "../output.js";

/** Tells what became of the rows. Errors: InputError if none of them has anything to learn from. */
export const reportRows = (path: string, rows: number, report: Readonly<TokenizeReport>, out: Output): void => {
  const { dropped, sequences, tokens, longest, truncated, withoutCompletion, promptMismatches } = report;
  if (dropped === rows)
    throw new InputError(`${path}: no row has a completion left; raise max_length (every prompt alone fills it)`);
  if (withoutCompletion === sequences) throw new InputError(`${path}: no row has a completion to learn from`);
  const parts = [`${path}: ${rows} rows, ${tokens} tokens, longest sequence ${longest}`];
  if (dropped > 0) parts.push(`${dropped} rows left out, since their prompt alone fills max_length`);
  if (truncated > 0) parts.push(`${truncated} of ${sequences} sequences cut to max_length`);
  if (withoutCompletion > 0) parts.push(`${withoutCompletion} without a completion`);
  if (promptMismatches > 0) parts.push(`${promptMismatches} whose prompt tokenizes differently alone`);
  out.note(parts.join("; "));
};
