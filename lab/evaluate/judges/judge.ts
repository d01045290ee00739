import { InputError } from "../../../core/errors.js";
import { isObject, show } from "../../../models/files/json.js";
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

const ask = (command: string, matches: readonly Match[], timeout: number): Promise<string> => {
  const input = matches.map((match) => `${JSON.stringify(match)}\n`).join("");
  return shell(`judge "${command}"`, command, input, { timeout, output: MOST * matches.length });
};

/**
 * Asks a judge, any shell command: it reads one JSON line {"prompt", "answer_a", "answer_b"} a match on its standard input
 * and prints one line {"winner": "a" | "b" | "tie"} for each, in order. → points of `answer_a`, one a match.
 * Errors: InputError if it fails, takes longer than `timeout` seconds, or prints something else, or more than 64 Ki characters
 * a match; it is ended then with all that it has started.
 */
export const judged = async (command: string, matches: readonly Match[], timeout: number): Promise<readonly number[]> =>
  pointsOf(await ask(command, matches, timeout), matches.length, command);

/** Whether a judge answers at all, before much is computed for it: asked about one match. Errors: as `judged`. */
export const tryJudge = async (command: string, timeout: number): Promise<void> => {
  const said = await ask(command, [{ prompt: "Say yes.", answer_a: "yes", answer_b: "no" }], timeout);
  // One that prints a fixed list of verdicts is a judge too.
  pointsOn(linesOf(said)[0] ?? "nothing", 1, command);
};

/** The points on a line of a judge's. */
const pointsOn = (line: string, match: number, command: string): number => {
  const winner = winnerOf(line);
  if (winner === undefined)
    throw new InputError(
      `judge "${command}" printed ${show(line)} for match ${match}; it must be {"winner": "a"}, "b" or "tie"`,
    );
  return POINTS[winner];
};

const linesOf = (said: string): string[] => said.split("\n").filter((line) => line.trim() !== "");

const pointsOf = (said: string, count: number, command: string): readonly number[] => {
  const lines = linesOf(said);
  if (lines.length !== count)
    throw new InputError(`judge "${command}" printed ${lines.length} lines for ${count} matches; print one for each`);
  return lines.map((line, i) => pointsOn(line, i + 1, command));
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
  points: (matches: readonly Match[]) => Promise<readonly number[]>,
  rows: readonly { readonly prompt: string; readonly ours: string; readonly theirs: string }[],
): Promise<readonly number[]> => {
  const matches = rows.flatMap(({ prompt, ours, theirs }) => [
    { prompt, answer_a: ours, answer_b: theirs },
    { prompt, answer_a: theirs, answer_b: ours },
  ]);
  const earned = await points(matches);
  return rows.map((_, i) => (earned[2 * i] + 1 - earned[2 * i + 1]) / 2);
};
