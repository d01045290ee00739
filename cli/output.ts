import { forReader, harmless } from "./speaking/terminal.js";

/** How the program was called. */
export interface Invocation {
  readonly version: string;
  /** The words after `taugrad`. */
  readonly args: readonly string[];
}

/** Where a command speaks. Results go to stdout, everything else to stderr. */
export interface Output {
  readonly json: boolean;
  readonly invocation: Invocation;
  /** A line for stderr. Held back until `start` or `result`, so that a refusal is the only line. */
  readonly note: (line: string) => void;
  /** The checks are done: what was held back is shown, later notes appear at once. */
  readonly start: () => void;
  /**
   * A result of the command: `document` as JSON, or `text` for people, with control characters spelled out (they may stand in
   * names and answers), unless it is the very product and goes to a file or a program (`exact`).
   */
  readonly result: (document: unknown, text: () => string, form?: { readonly exact: boolean }) => void;
}

/** One that keeps notes to itself. */
export const silent = (out: Output): Output => ({ ...out, note: () => {}, start: () => {} });

export const output = (json: boolean, invocation: Invocation): Output => {
  const held: string[] = [];
  let started = false;
  const start = (): void => {
    started = true;
    for (const line of held.splice(0)) process.stderr.write(`${harmless(line)}\n`);
  };
  return {
    json,
    invocation,
    note: (line) => {
      held.push(line);
      if (started) start();
    },
    start,
    result: (document, text, { exact } = { exact: false }) => {
      start();
      // In JSON's texts what is spelled out is what it was.
      const said = json ? harmless(JSON.stringify(document)) : exact ? forReader(text()) : harmless(text());
      process.stdout.write(`${said}\n`);
    },
  };
};
