import { METHOD_NAMES, METHODS, type MethodName } from "../methods.js";
import { type Interval, type Verdict, verdictOf } from "./interval.js";
import { paired } from "./paths.js";
import { preferred } from "./question.js";
import { type Found, select } from "./results.js";
import { MAIN_STYLE, placesAt } from "./table.js";

/** Skill at the main style rate minus another's, and what that says of "it beats the other". */
export interface Judged {
  /** Whom it was held against; undefined: nobody reaches the rate under every seed. */
  readonly against: MethodName | undefined;
  readonly interval: Interval | undefined;
  readonly verdict: Verdict;
}

/** A rival that came after the paper, or a proposal of this project's. */
export interface RivalRow {
  readonly method: MethodName;
  readonly adamw: Judged;
  /** Against the online merge that validation prefers. */
  readonly online: Judged;
}

const families = (...names: readonly string[]): MethodName[] =>
  METHOD_NAMES.filter((name) => names.includes(METHODS[name].family));

/** Each rival and proposal against AdamW and against online merging. */
export const rivalsOf = (all: readonly Found[], world: string): RivalRow[] => {
  const places = (method: MethodName) => placesAt(all, world, method, MAIN_STYLE);
  const judged = (method: MethodName, against: MethodName | undefined): Judged => {
    const interval = against && paired(places(method), places(against));
    return { against, interval, verdict: interval === undefined ? "not run" : verdictOf(interval) };
  };
  const online = preferred(families("online merge"), places);
  return families("rival", "proposal")
    .filter((line) => select(all, { section: "methods", world, line }).length > 0)
    .map((method) => ({ method, adamw: judged(method, "adamw"), online: judged(method, online) }));
};
