import fc from "fast-check";
import { asks } from "../core/expects.js";

/** A law: what it says, and a function that tries it, and throws where it is broken. */
export interface Law {
  readonly name: string;
  readonly check: () => Promise<void>;
}

/**
 * Tries a body on random cases; throws with seed, path and the smallest case found where it does not hold. For any test runner.
 * @example await holds(tensors(), async (x) => vmapIsLoop((y) => [neg(y)], [x], 1), 3);
 */
export const holds = asks(
  "holds",
  "any function",
  <T>(draw: fc.Arbitrary<T>, body: (value: T) => Promise<void>, numRuns = 25): Promise<void> =>
    fc.assert(fc.asyncProperty(draw, body), { numRuns }),
);
