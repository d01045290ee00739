import { createInterface } from "node:readline";
import { exitCodeOf } from "../stopped.js";

/** What a person types, a line a turn. */
export interface Lines {
  /** Is there a person at a terminal? */
  readonly isTerminal: boolean;
  /** The next line; undefined at the end of the input (Ctrl-D). */
  readonly next: () => Promise<string | undefined>;
  /** Is an answer under way? Then Ctrl-C stops it, and ends the program if it comes again. */
  readonly answering: (isOn: boolean) => void;
  /** Has Ctrl-C come since the answer began? */
  readonly isStopped: () => boolean;
  readonly close: () => void;
}

/** Lines of standard input. A line asked for at a terminal has a prompt, which goes to standard error. */
export const standardLines = (): Lines => {
  const isTerminal = process.stdin.isTTY === true;
  const input = createInterface({
    input: process.stdin,
    ...(isTerminal && { output: process.stderr, prompt: "> " }),
  });
  process.stdin.on("error", () => input.close()); // a terminal that is gone says no more
  const waiting = input[Symbol.asyncIterator]();
  let [isAnswering, interrupts] = [false, 0];
  const interrupted = (): void => {
    interrupts++;
    if (isAnswering && interrupts === 1) return;
    if (isTerminal && !isAnswering && interrupts === 1) {
      process.stderr.write("\n(Ctrl-C again, Ctrl-D or /exit leaves)\n");
      input.prompt();
      return;
    }
    process.stderr.write("\n");
    process.exit(exitCodeOf("SIGINT"));
  };
  // At a terminal readline reads the key; elsewhere the signal comes.
  input.on("SIGINT", interrupted);
  process.on("SIGINT", interrupted);
  return {
    isTerminal,
    next: async () => {
      interrupts = 0;
      if (isTerminal) input.prompt();
      const { value, done } = await waiting.next();
      return done === true ? undefined : value;
    },
    answering: (isOn) => {
      isAnswering = isOn;
      interrupts = 0;
    },
    isStopped: () => isAnswering && interrupts > 0,
    close: () => {
      process.off("SIGINT", interrupted);
      input.close();
    },
  };
};
