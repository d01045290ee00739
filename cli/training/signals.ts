import type { RunObserver } from "../../run/running/observer.js";
import { exitCodeOf } from "../stopped.js";
import { endAtOnce, onEnding } from "../writing/endings.js";

/** Signals, as a run is asked to stop by them. */
export interface Ending {
  /** Listens from the first step on: before it there is nothing to be saved. */
  readonly observer: RunObserver;
  readonly signal: AbortSignal;
  /** The one that came; SIGTERM where it came to another rank. */
  readonly by: () => NodeJS.Signals;
}

/** A signal that ends a program asks a run to stop; a second one ends the process at once. */
export const stopOnSignals = (notice: (line: string) => void): Ending => {
  const controller = new AbortController();
  let off = (): void => {};
  const handle = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodeOf(name));
    controller.abort(name);
    notice(`${name}: saving after this step; once more to end at once`);
    setImmediate(endAtOnce); // a second one does not wait for a step that keeps the thread
  };
  return {
    observer: {
      everyRank: true,
      ready: () => {
        off = onEnding(handle);
      },
      close: () => off(),
    },
    signal: controller.signal,
    by: () => (controller.signal.reason ?? "SIGTERM") as NodeJS.Signals,
  };
};
