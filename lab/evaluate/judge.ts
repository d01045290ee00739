import { spawn } from "node:child_process";
import { InputError } from "../../core/errors.js";
import { isObject, show } from "../../models/files/json.js";

/** Two answers to one prompt, in the order in which a judge sees them. */
export interface Match {
  readonly prompt: string;
  readonly answer_a: string;
  readonly answer_b: string;
}

/** What the first answer earns: 1, ½ for a tie, 0. */
const POINTS: Readonly<Record<string, number>> = { a: 1, b: 0, tie: 0.5 };

/**
 * Asks a judge, any shell command: it reads one JSON line {"prompt", "answer_a", "answer_b"} a match on its standard input
 * and prints one line {"winner": "a" | "b" | "tie"} for each, in order. → points of `answer_a`, one a match.
 * Errors: InputError if it fails, takes longer than `timeout` seconds, or prints something else.
 */
export const judged = (command: string, matches: readonly Match[], timeout: number): Promise<readonly number[]> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ["pipe", "pipe", "inherit"] });
    const fail = (what: string): void => reject(new InputError(`judge "${command}" ${what}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`has not answered within ${timeout} s`);
    }, timeout * 1000);
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    // A judge that ends without reading everything is found by its answers.
    child.stdin.on("error", () => {});
    child.on("error", (error) => fail(`cannot be started (${error.message})`));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code !== 0) return fail(`ended with ${signal ?? `exit code ${code}`}`);
      try {
        resolve(pointsOf(said, matches.length, command));
      } catch (error) {
        reject(error);
      }
    });
    child.stdin.end(matches.map((match) => `${JSON.stringify(match)}\n`).join(""));
  });

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
