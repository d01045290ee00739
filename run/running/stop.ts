/** Milliseconds between turns of the event loop: steps may never give it one by themselves, and short ones feel it. */
const EVERY = 50;

/** Tells, after a step, whether the run is asked to stop. Lets in what has arrived during a step that kept the thread. */
export const stopWatch = (signal: AbortSignal | undefined): (() => Promise<boolean>) => {
  let turned = 0;
  return async () => {
    if (performance.now() - turned > EVERY) {
      await new Promise(setImmediate);
      turned = performance.now();
    }
    return signal?.aborted === true;
  };
};
