import { relative } from "node:path";
import type { DataFrom, Dataset, DatasetOptions } from "../../align/data/dataset.js";
import type { DataFiles } from "../../align/data/files/splits.js";
import type { TokenizeReport } from "../../align/data/report.js";
import type { StoredRows } from "../../align/data/token-file.js";
import { InputError } from "../../core/errors.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import type { Voice } from "../voice.js";
import { declaredIn } from "./dataset-config.js";
import { paced } from "./pace.js";

/** Reads one kind of data set: `pairDataset`, `exampleDataset`, `labelledDataset`. */
type Read<T> = (from: DataFrom, tokenizer: Tokenizer, options: DatasetOptions) => Promise<Dataset<T>>;

/**
 * Reads and tokenizes a data set, that of a path or rows `inMemory` of that name, telling how far it is and what became of the rows. The caller closes it.
 * Errors: InputError if none of the rows has anything to learn from.
 */
export const readDataset = async <T>(
  read: Read<T>,
  path: string,
  tokenizer: Tokenizer,
  options: DatasetOptions & { readonly config?: string },
  out: Voice,
  inMemory?: readonly object[],
): Promise<Dataset<T>> => {
  const data = await read(inMemory ?? path, tokenizer, {
    ...options,
    declared: inMemory === undefined ? await declaredIn(path, options.config) : undefined,
    onRead: paced(out, (percent) => `${path}: ${percent} % read and tokenized`),
  });
  try {
    reportFiles(path, data.source, out);
    reportRows(path, data.report, out);
  } catch (error) {
    data.close();
    throw error;
  }
  return data;
};

/** Tells of rows of an evaluation that are trained on too: its numbers then say what was learnt by heart. */
export const tellSeen = (
  path: string,
  held: Pick<StoredRows<unknown>, "digests">,
  rows: Pick<StoredRows<unknown>, "digests">,
  out: Pick<Voice, "note">,
): void => {
  const trained = new Set(rows.digests);
  const seen = held.digests.filter((digest) => trained.has(digest)).length;
  if (seen > 0)
    out.note(
      `warning: ${path}: ${seen === held.digests.length ? "all" : `${seen} of`} ${held.digests.length} rows to evaluate on are trained on too; others would tell more of what was learnt`,
    );
};

/** So many files are named. */
const NAMED = 3;

/** Which files of a folder were read, and which splits were not. */
const reportFiles = (path: string, { files, split, others = {} }: DataFiles, out: Voice): void => {
  if (split === undefined) return;
  const names = files.slice(0, NAMED).map((file) => relative(path, file).replaceAll("\\", "/"));
  const more = files.length > NAMED ? `, … (${files.length} files)` : "";
  const rest = Object.keys(others);
  out.note(
    `${path}: split ${split} is ${names.join(", ")}${more}${rest.length > 0 ? `; not read: ${rest.join(", ")}` : ""}`,
  );
};

/** Above this share of rows left out, it is no detail. */
const MANY = 0.1;

const reportRows = (path: string, report: Readonly<TokenizeReport>, out: Voice): void => {
  const { rows, dropped, sequences, tokens, longest, truncated, withoutCompletion, promptMismatches, unwanted } =
    report;
  const { promptsCut, answersCut } = report;
  if (unwanted === rows)
    throw new InputError(`${path}: every row is labelled as not wanted; taugrad kto learns from such`);
  if (dropped + unwanted === rows)
    throw new InputError(`${path}: no row has a completion left; raise max_length (every prompt alone fills it)`);
  if (withoutCompletion === sequences) throw new InputError(`${path}: no row has a completion to learn from`);
  const parts = [`${path}: ${rows} rows, ${tokens} tokens, longest sequence ${longest}`];
  if (dropped > 0)
    parts.push(
      `${dropped} rows left out, since their prompt alone fills max_length${named(report.droppedAt, dropped)}`,
    );
  if (unwanted > 0) parts.push(`${unwanted} rows left out, since they are labelled as not wanted`);
  if (truncated > 0)
    parts.push(
      `${truncated} of ${sequences} sequences cut to max_length, ${report.tokensCut} tokens lost${named(report.truncatedAt, truncated)}`,
    );
  if (promptsCut > 0) parts.push(`${promptsCut} of ${sequences} prompts lost their beginning to max_prompt_length`);
  if (answersCut > 0) parts.push(`${answersCut} of ${sequences} answers lost their end to max_completion_length`);
  if (withoutCompletion > 0) parts.push(`${withoutCompletion} without a completion`);
  if (promptMismatches > 0) parts.push(`${promptMismatches} whose prompt tokenizes differently alone`);
  const idle = [...report.unused, ...unreadFields(report).filter((name) => ABOUT_MESSAGES.includes(name))];
  if (idle.length > 0) parts.push(`not used: ${idle.join(", ")}`);
  out.note(parts.join("; "));
  for (const warning of warningsOf(report)) out.note(`WARNING: ${path}: ${warning}`);
};

/** Fields that tell messages apart, and say nothing. */
const ABOUT_MESSAGES: readonly string[] = ["name", "id", "tool_call_id", "index", "date", "timestamp"];

const unreadFields = ({ fields }: Readonly<TokenizeReport>): readonly string[] =>
  Object.keys(fields).filter((name) => !fields[name]);

/** What changes the run more than whoever brought the data may expect. */
const warningsOf = (report: Readonly<TokenizeReport>): readonly string[] => {
  const { rows, dropped, texts, conversations, promptsRepeated } = report;
  const unread = unreadFields(report).filter((name) => !ABOUT_MESSAGES.includes(name));
  return [
    ...(dropped > MANY * rows
      ? [
          `${dropped} of ${rows} rows (${Math.round((100 * dropped) / rows)} %) are left out, since their prompt alone fills max_length; raise max_length, or set max_prompt_length, or truncation_mode keep_end`,
        ]
      : []),
    ...(unread.length > 0
      ? [
          `the chat template makes nothing of ${unread.join(", ")}, so the model does not learn it; chat_template_path names another template`,
        ]
      : []),
    ...(promptsRepeated > 0
      ? [
          `in ${promptsRepeated} rows chosen and rejected begin with their prompt, which then stands there twice, as in TRL; leave the column prompt out if they are whole texts`,
        ]
      : []),
    ...(texts > 0 && conversations > 0
      ? [`${texts} rows are plain text and ${conversations} conversations; the model learns both forms`]
      : []),
  ];
};

const named = (places: readonly string[], count: number): string =>
  ` (${places.map((at) => at.slice(Math.max(at.lastIndexOf("/"), at.lastIndexOf("\\")) + 1)).join(", ")}${count > places.length ? ", …" : ""})`;
