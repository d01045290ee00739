import type { Size } from "../sizes.js";
import { type Interval, type Verdict, verdictOf } from "./interval.js";
import { questions } from "./questions.js";
import type { Found } from "./results.js";

/** A claim, and what the runs say of it. */
export interface Claim {
  readonly id: string;
  readonly world: string;
  /** What the paper (or, for controls, the sceptic) says. */
  readonly claim: string;
  /** The number that is positive if it holds, in words. */
  readonly measure: string;
  readonly verdict: Verdict;
  readonly interval: Interval | undefined;
}

/** Every claim in every world that has runs for it. A claim without any is "not run" once. */
export const claimsOf = (all: readonly Found[], { worlds, analyses: { learningRate } }: Size): Claim[] =>
  questions.flatMap(({ id, claim, measure, interval: of }) => {
    const asked = Object.keys(worlds).map((world): Claim => {
      const ask = { all, world, learningRate };
      const found = of(ask);
      const verdict = found === undefined ? "not run" : verdictOf(found);
      return { id, world, claim, measure: measure(ask), verdict, interval: found };
    });
    const run = asked.filter(({ verdict }) => verdict !== "not run");
    return run.length > 0 ? run : asked.slice(0, 1);
  });
