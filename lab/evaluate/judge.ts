import { InputError } from "../../core/errors.js";
import { isObject, show } from "../../models/files/json.js";
import { shell } from "./shell.js";

/** Two answers to one prompt, in the order in which a judge sees them. */
export interface Match {
  readonly prompt: string;
  readonly answer_a: string;
  readonly answer_b: string;
}

/** What the first answer earns: 1, ½ for a tie, 0. */
const POINTS: Readonly<Record<string, number>> = { a: 1, b: 0, tie: 0.5 };

/** Characters that a judge may print a match: a verdict, and reasons that nobody reads. */
const MOST = 2 ** 16;

/**
 * Asks a judge, any shell command: it reads one JSON line {"prompt", "answer_a", "answer_b"} a match on its standard input
 * and prints one line {"winner": "a" | "b" | "tie"} for each, in order. → points of `answer_a`, one a match.
 * Errors: InputError if it fails, takes longer than `timeout` seconds, or prints something else, or more than 64 Ki characters
 * a match; it is ended then with all that it has started.
 */
export const judged = async (
  command: string,
  matches: readonly Match[],
  timeout: number,
): Promise<readonly number[]> => {
  const input = matches.map((match) => `${JSON.stringify(match)}\n`).join("");
  const said = await shell(`judge "${command}"`, command, input, { timeout, output: MOST * matches.length });
  return pointsOf(said, matches.length, command);
};

const pointsOf = (said: string, count: number, command: string): readonly number[] => {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  if (lines.length !== count)
    throw new InputError(`judge "${command}" printed ${lines.length} lines for ${count} matches; print one for each`);
  return lines.map((line, i) => {
    const winner = winnerOf(line);
    if (winner === undefined)
      throw new InputError(
        `judge "${command}" printed ${show(line)} for match ${i + 1}; it must be {"winner": "a"}, "b" or "tie"`,
      );
    return POINTS[winner];
  });
};

const winnerOf = (line: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    const winner = isObject(value) ? value.winner : undefined;
    return typeof winner === "string" && Object.hasOwn(POINTS, winner) ? winner : undefined;
  } catch {
    return undefined;
  }
};

/** Points of our answers against others', each match judged in both orders, since judges prefer a place. */
export const winPoints = async (
  command: string,
  rows: readonly { readonly prompt: string; readonly ours: string; readonly theirs: string }[],
  timeout: number,
): Promise<readonly number[]> => {
  const matches = rows.flatMap(({ prompt, ours, theirs }) => [
    { prompt, answer_a: ours, answer_b: theirs },
    { prompt, answer_a: theirs, answer_b: ours },
  ]);
  const points = await judged(command, matches, timeout);
  return rows.map((_, i) => (points[2 * i] + 1 - points[2 * i + 1]) / 2);
};
