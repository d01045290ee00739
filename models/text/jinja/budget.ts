/** What the render that is under way may still do, in steps. A render waits for nothing, so there is one at a time. */
let [left, most] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

/** Characters that are copied, or gone through one by one, in one step's time. */
const [COPIED, WALKED] = [64, 8];

/** Takes steps. Errors: Error once there are none left. */
export const pay = (steps: number): void => {
  left -= steps;
  if (!(left >= 0)) throw new Error(`it takes more than ${most} steps`);
};

/** Pays for so many characters that are copied, compared or searched. */
export const payCopied = (length: number): void => pay(length / COPIED);

/** Pays for so many characters that are looked at one by one. */
export const payWalked = (length: number): void => pay(length / WALKED);

/** Runs with so many steps. */
export const withSteps = <T>(steps: number, run: () => T): T => {
  const before = [left, most];
  [left, most] = [steps, steps];
  try {
    return run();
  } finally {
    [left, most] = before;
  }
};
