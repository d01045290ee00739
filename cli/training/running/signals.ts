import { exitCodeOf } from "../../stopped.js";
import { endAtOnce, onEnding } from "../../writing/endings.js";

/** Milliseconds between turns of the event loop: steps may never give it one by themselves, and short ones feel it. */
const EVERY = 50;

export interface StopWatch {
  /** Which signal has come. Lets those in that have arrived during a step that kept the thread. */
  readonly asked: () => Promise<NodeJS.Signals | undefined>;
  readonly close: () => void;
}

/** Waits for a signal to stop; a second one ends the process at once. */
export const stopWatch = (notice: (line: string) => void): StopWatch => {
  let signal: NodeJS.Signals | undefined;
  let turned = 0;
  const close = onEnding((name) => {
    if (signal !== undefined) process.exit(exitCodeOf(name));
    signal = name;
    notice(`${name}: saving after this step; once more to end at once`);
    setImmediate(endAtOnce); // a second one does not wait for a step that keeps the thread
  });
  return {
    asked: async () => {
      if (performance.now() - turned > EVERY) {
        await new Promise(setImmediate);
        turned = performance.now();
      }
      return signal;
    },
    close,
  };
};
