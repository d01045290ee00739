import { createHash } from "node:crypto";
import { InputError } from "../../core/errors.js";
import type { ChatMessage } from "../../models/text/chat-message.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import { type Fields, fields } from "./rows/fields.js";
import { halfOf } from "./rows/half.js";
import type { Unroll } from "./rows/published.js";
import { benchmarkRows } from "./rows/rows.js";
import type { Task } from "./tasks.js";

/** A question with its answer, shown before the one that is asked. */
export interface Shot {
  readonly question: string;
  readonly answer: string;
}

/** What is asked: a text, or a conversation up to the user's turn. */
export type Question = string | readonly ChatMessage[];

/** So many of some rows, drawn by a seed, in their order. */
const drawn = <T>(rows: readonly T[], count: number, seed: number): readonly T[] => {
  const place = (i: number): string => createHash("sha256").update(`${seed}:${i}`).digest("hex");
  const order = rows.map((_, i) => ({ i, at: place(i) })).sort((a, b) => (a.at < b.at ? -1 : 1));
  const kept = new Set(order.slice(0, count).map(({ i }) => i));
  return rows.filter((_, i) => kept.has(i));
};

type Rows = Pick<Task, "data" | "limit"> & Partial<Pick<Task, "draw" | "turns" | "sampling" | "part">>;

/** A row of a task, and its place among all rows of the data, from 0. */
export interface PlacedRow {
  readonly row: Fields;
  readonly place: number;
}

/**
 * A task's rows: of a conversation's turns the last alone where the task says so, then those that are drawn, then the first, then
 * those of its half. Errors: InputError where none is left.
 */
export const placedRowsOf = (
  { data, limit, draw, turns, sampling, part }: Rows,
  unroll?: Unroll,
): readonly PlacedRow[] => {
  const all = benchmarkRows(data, unroll)
    .map((found, place) => ({ ...found, place }))
    .filter(({ row }) => turns !== "last" || row.turn === row.turns);
  const some = draw === undefined ? all : drawn(all, draw, sampling?.seed ?? 0);
  const first = some.slice(0, limit);
  const kept = part === undefined ? first : first.filter(({ row }) => halfOf(row) === part);
  if (kept.length === 0 && part !== undefined)
    throw new InputError(
      `${data}: of ${first.length} rows none falls to ${part}, which has about half; give more rows`,
    );
  return kept.map(({ at, row, place }) => ({ row: fields(row, at), place }));
};

/** As `placedRowsOf`, rows alone. */
export const rowsOf = (rows: Rows, unroll?: Unroll): readonly Fields[] =>
  placedRowsOf(rows, unroll).map(({ row }) => row);

/** The first `shots` rows of the examples. Errors: InputError if there are fewer. */
export const shotsOf = ({ shots, examples }: Task, shot: (row: Fields) => Shot): readonly Shot[] => {
  if (shots === 0 || examples === undefined) return [];
  const rows = rowsOf({ data: examples, limit: shots });
  if (rows.length < shots)
    throw new InputError(`${examples}: holds ${rows.length} rows, and ${shots} shots are asked for`);
  return rows.map(shot);
};

/** Tokens of a question after its shots: turns of a conversation by the chat template, or plain text with blank lines. */
export const promptIds = (
  { chat: wanted, system }: Task,
  shots: readonly Shot[],
  question: Question,
  tokenizer: Tokenizer,
  chat = wanted ?? tokenizer.hasChatTemplate,
): number[] => {
  if (!chat) {
    const shown = shots.map(({ question, answer }) => `${question} ${answer}`);
    const asked = typeof question === "string" ? [question] : question.map(({ content }) => content);
    return tokenizer.encode([...(system === undefined ? [] : [system]), ...shown, ...asked].join("\n\n"));
  }
  const turn = (role: string, content: string): ChatMessage => ({ role, content });
  const messages = [
    ...(system === undefined ? [] : [turn("system", system)]),
    ...shots.flatMap(({ question, answer }) => [turn("user", question), turn("assistant", answer)]),
    ...(typeof question === "string" ? [turn("user", question)] : question),
  ];
  return tokenizer.encodeChat(messages, { addGenerationPrompt: true });
};
