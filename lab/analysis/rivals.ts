import { METHOD_NAMES, METHODS, type MethodName } from "../methods.js";
import { type Interval, type Verdict, verdictOf } from "./interval.js";
import { paired } from "./paths.js";
import { preferred } from "./question.js";
import { type Found, select } from "./results.js";
import { MAIN_STYLE, placesAt } from "./table.js";

/** Style rates at which a method may be held against another, the first before the others: what hardly learns is seen at less. */
const LEVELS = [MAIN_STYLE, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];

/** Skill at a style rate minus another's, and what that says of "it beats the other". */
export interface Judged {
  /** Whom it was held against; undefined, as is what follows: under some seed no rate is reached by both. */
  readonly against: MethodName | undefined;
  /** The main style rate, or the largest of smaller ones that both reach under every seed. */
  readonly style: number | undefined;
  readonly interval: Interval | undefined;
  readonly verdict: Verdict;
}

/** A rival that came after the paper, or a proposal of this project's. */
export interface RivalRow {
  readonly method: MethodName;
  readonly adamw: Judged;
  /** Against the online merge that validation prefers at that style rate. */
  readonly online: Judged;
}

const families = (...names: readonly string[]): MethodName[] =>
  METHOD_NAMES.filter((name) => names.includes(METHODS[name].family));

/** Each rival and proposal against AdamW and against online merging. */
export const rivalsOf = (all: readonly Found[], world: string): RivalRow[] => {
  const at = (style: number) => (method: MethodName) => placesAt(all, world, method, style);
  const judged = (method: MethodName, among: readonly MethodName[]): Judged => {
    for (const style of LEVELS) {
      const against = preferred(among, at(style));
      const interval = against && paired(at(style)(method), at(style)(against));
      if (interval !== undefined) return { against, style, interval, verdict: verdictOf(interval) };
    }
    return { against: undefined, style: undefined, interval: undefined, verdict: "not run" };
  };
  return families("rival", "proposal")
    .filter((line) => select(all, { section: "methods", world, line }).length > 0)
    .map((method) => ({
      method,
      adamw: judged(method, ["adamw"]),
      online: judged(method, families("online merge")),
    }));
};
