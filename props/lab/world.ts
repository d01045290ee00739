/** Helpers that the laws of the lab's world share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { draws } from "../../lab/world/draws.js";
import { drawTask, KINDS, type Split } from "../../lab/world/skills.js";

export const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
export const SPLITS: readonly Split[] = ["train", "validation", "test"];
export const SHARES = [0.8, 0.1, 0.1];
export const tasks = fc
  .record({ seed: seeds, kind: fc.constantFrom(...KINDS), split: fc.constantFrom(...SPLITS) })
  .map(({ seed, kind, split }) => drawTask(kind, split, draws(seed, "task")));

export const law = <T extends [unknown, ...unknown[]]>(
  name: string,
  holds: (...drawn: T) => void,
  runs: number,
  ...from: { [K in keyof T]: fc.Arbitrary<T[K]> }
): void => {
  test(name, () =>
    fc.assert(
      fc.property(...from, (...drawn: T) => holds(...drawn)),
      { numRuns: runs },
    ),
  );
};

/** `hits` of `trials` is within five and a half standard deviations of `share` (chance of a false alarm: 4e-8). */
export const near = (hits: number, trials: number, share: number, what: string): void => {
  const bound = 5.5 * Math.sqrt(trials * share * (1 - share));
  assert.ok(
    Math.abs(hits - trials * share) <= bound,
    `${what}: ${hits} of ${trials}, expected ${trials * share} ± ${bound}`,
  );
};
