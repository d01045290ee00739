import { ENDINGS, exitCodeOf } from "../stopped.js";

type Handler = (signal: NodeJS.Signals) => void;

const handlers: Handler[] = [];
const listen = (signal: NodeJS.Signals): void => handlers.at(-1)?.(signal);

const hear = (): void => {
  for (const name of ENDINGS) {
    process.off(name, listen);
    if (handlers.length > 0) process.on(name, listen);
  }
};

/** Hears of signals that end a program, in place of whoever heard before, until what it returns is called. */
export const onEnding = (handle: Handler): (() => void) => {
  handlers.push(handle);
  hear();
  return () => {
    const at = handlers.lastIndexOf(handle);
    if (at >= 0) handlers.splice(at, 1);
    hear();
  };
};

/** From now on signals end the process in the system's own way, which waits for nothing. */
export const endAtOnce = (): void => {
  handlers.length = 0;
  hear();
};

/** Ends the process as a signal asks for, with a word. */
export const leave = (signal: NodeJS.Signals, word: string): never => {
  process.stderr.write(`taugrad: stopped by ${signal}; ${word}\n`);
  process.exit(exitCodeOf(signal));
};
