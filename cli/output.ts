import { harmless } from "../run/harmless.js";
import type { Voice } from "../run/voice.js";

/** A text as standard output should have it: as it is for a file or a program, harmless for a terminal. */
export const forReader = (text: string): string => (process.stdout.isTTY === true ? harmless(text) : text);

/** Where a command speaks: results on stdout, everything else on stderr. */
export interface Output extends Voice {
  readonly json: boolean;
  /** The words after `taugrad`. */
  readonly call: readonly string[];
  /**
   * A result of the command: `document` as JSON, or `text` for people, with control characters spelled out (they may stand in
   * names and answers), unless it is the very product and goes to a file or a program (`exact`).
   */
  readonly result: (document: unknown, text: () => string, form?: { readonly exact: boolean }) => void;
}

export const output = (json: boolean, call: readonly string[]): Output => {
  const held: string[] = [];
  let started = false;
  const start = (): void => {
    started = true;
    for (const line of held.splice(0)) process.stderr.write(`${harmless(line)}\n`);
  };
  return {
    json,
    call,
    note: (line) => {
      held.push(line);
      if (started) start();
    },
    start,
    wait: (line) => {
      process.stderr.write(`${harmless(line)}\n`);
    },
    flag: (key) => `--${key}`,
    result: (document, text, { exact } = { exact: false }) => {
      start();
      // In JSON's texts what is spelled out is what it was.
      const said = json ? harmless(JSON.stringify(document)) : exact ? forReader(text()) : harmless(text());
      process.stdout.write(`${said}\n`);
    },
  };
};
