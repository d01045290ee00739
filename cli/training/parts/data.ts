import type { Dataset, DatasetOptions } from "../../../align/data/dataset.js";
import type { TokenizeReport } from "../../../align/data/tokenize.js";
import { InputError } from "../../../core/errors.js";
import type { Tokenizer } from "../../../models/text/tokenizer.js";
import type { Output } from "../../output.js";
import { paced } from "./pace.js";

/** Reads one kind of data set: `pairDataset`, `exampleDataset`, `labelledDataset`. */
type Read<T> = (path: string, tokenizer: Tokenizer, options: DatasetOptions) => Promise<Dataset<T>>;

/**
 * Reads and tokenizes a data set, telling how far it is and what became of the rows. The caller closes it.
 * Errors: InputError if none of the rows has anything to learn from.
 */
export const readDataset = async <T>(
  read: Read<T>,
  path: string,
  tokenizer: Tokenizer,
  options: DatasetOptions,
  out: Output,
): Promise<Dataset<T>> => {
  const data = await read(path, tokenizer, {
    ...options,
    onRead: paced((percent) => `${path}: ${percent} % read and tokenized`),
  });
  try {
    reportRows(path, data.report, out);
  } catch (error) {
    data.close();
    throw error;
  }
  return data;
};

const reportRows = (path: string, report: Readonly<TokenizeReport>, out: Output): void => {
  const { rows, dropped, sequences, tokens, longest, truncated, withoutCompletion, promptMismatches } = report;
  if (dropped === rows)
    throw new InputError(`${path}: no row has a completion left; raise max_length (every prompt alone fills it)`);
  if (withoutCompletion === sequences) throw new InputError(`${path}: no row has a completion to learn from`);
  const parts = [`${path}: ${rows} rows, ${tokens} tokens, longest sequence ${longest}`];
  if (dropped > 0)
    parts.push(
      `${dropped} rows left out, since their prompt alone fills max_length${named(report.droppedAt, dropped)}`,
    );
  if (truncated > 0)
    parts.push(
      `${truncated} of ${sequences} sequences cut to max_length, ${report.tokensCut} tokens lost${named(report.truncatedAt, truncated)}`,
    );
  if (withoutCompletion > 0) parts.push(`${withoutCompletion} without a completion`);
  if (promptMismatches > 0) parts.push(`${promptMismatches} whose prompt tokenizes differently alone`);
  out.note(parts.join("; "));
};

const named = (places: readonly string[], count: number): string =>
  ` (${places.map((at) => at.slice(Math.max(at.lastIndexOf("/"), at.lastIndexOf("\\")) + 1)).join(", ")}${count > places.length ? ", …" : ""})`;
