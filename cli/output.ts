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
  /** The command's result, once: `document` as JSON, or `text` for people. */
  readonly result: (document: unknown, text: () => string) => void;
}

/** One that keeps notes to itself. */
export const silent = (out: Output): Output => ({ ...out, note: () => {}, start: () => {} });

export const output = (json: boolean, invocation: Invocation): Output => {
  const held: string[] = [];
  let started = false;
  const start = (): void => {
    started = true;
    for (const line of held.splice(0)) process.stderr.write(`${line}\n`);
  };
  return {
    json,
    invocation,
    note: (line) => {
      held.push(line);
      if (started) start();
    },
    start,
    result: (document, text) => {
      start();
      process.stdout.write(`${json ? JSON.stringify(document) : text()}\n`);
    },
  };
};
