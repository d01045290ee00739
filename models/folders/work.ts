/** At once where a place can, as on the disk; else later. */
export type Soon<T> = T | Promise<T>;

/**
 * Work on files that waits for each of them: written once, run at once (`atOnce`) where every file answers at once, or in turn
 * (`inTurn`) where they are far away.
 */
export type Work<T> = Generator<unknown, T, unknown>;

/** What a place answers, within work: `yield* ready(file.read(0, 8))`. */
export function* ready<T>(value: Soon<T>): Work<T> {
  return (yield value) as T;
}

/** Runs work whose places all answer at once. Errors: those of the work. */
export const atOnce = <T>(work: Work<T>): T => {
  let step = work.next();
  while (step.done !== true) {
    if (step.value instanceof Promise) throw new Error("work that is done at once was told to wait");
    step = work.next(step.value);
  }
  return step.value;
};

/** Runs work, waiting for whatever has to be waited for. Errors: those of the work. */
export const inTurn = async <T>(work: Work<T>): Promise<T> => {
  let step = work.next();
  while (step.done !== true) {
    let answer: unknown;
    try {
      answer = await step.value;
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    step = work.next(answer);
  }
  return step.value;
};
