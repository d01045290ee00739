import type { Loss } from "../jobs/job.js";
import { METHODS, type MethodName } from "../methods.js";
import { lossLine } from "../plan.js";
import type { Place } from "./frontier.js";
import { type Interval, interval, mean } from "./interval.js";
import { paired, placesOf } from "./paths.js";
import type { Found } from "./results.js";
import { MAIN_STYLE, placesAt } from "./table.js";

/** How a claim is put to the runs of a world: a number a seed that is positive if it holds. */
export interface Question {
  readonly id: string;
  readonly claim: string;
  readonly measure: (ask: Asked) => string;
  readonly interval: (ask: Asked) => Interval | undefined;
}

/** The runs of one world, with the look-ups that questions share. */
export interface Asked {
  readonly all: readonly Found[];
  readonly world: string;
  /** Of the analyses. */
  readonly learningRate: number;
}

/** The main style rate, as it is told. */
export const MAIN_PERCENT = Math.round(100 * MAIN_STYLE);
/** A method's places at the main style rate, one a seed. */
type Places = (asked: Asked, method: MethodName) => readonly (Place | undefined)[];
const atMain: Places = ({ all, world }, method) => placesAt(all, world, method, MAIN_STYLE);
/** Places under another loss than DPO. */
export const under =
  (loss: Loss): Places =>
  ({ all, world }, method) =>
    placesAt(all, world, lossLine(method, loss), MAIN_STYLE, "loss");

/** The method of a group that validation prefers at the main style rate, among those that reach it under every seed. */
export const preferred = (
  group: readonly MethodName[],
  placesOf: (method: MethodName) => readonly (Place | undefined)[],
): MethodName | undefined => {
  const scored = group.flatMap((method) => {
    const places = placesOf(method);
    const reached = places.flatMap((place) => (place === undefined ? [] : [place.validation]));
    return places.length > 0 && reached.length === places.length ? [{ method, score: mean(reached) }] : [];
  });
  if (scored.length === 0) return undefined;
  return scored.reduce((a, b) => (b.score > a.score ? b : a)).method;
};

/** Group a against group b at the main style rate, each by the member that validation prefers. */
export const contest = (
  id: string,
  claim: string,
  a: readonly MethodName[],
  b: readonly MethodName[],
  at: Places = atMain,
): Question => {
  const bestOf = (asked: Asked, group: readonly MethodName[]) => preferred(group, (method) => at(asked, method));
  const both = (asked: Asked) => [bestOf(asked, a), bestOf(asked, b)] as const;
  const label = (name: MethodName | undefined) => (name === undefined ? "none in reach" : METHODS[name].label);
  return {
    id,
    claim,
    measure: (asked) => {
      const [ours, theirs] = both(asked);
      return `skill at style ${MAIN_PERCENT} %: ${label(ours)} − ${label(theirs)}`;
    },
    interval: (asked) => {
      const [ours, theirs] = both(asked);
      if (ours === undefined || theirs === undefined) return undefined;
      return paired(at(asked, ours), at(asked, theirs));
    },
  };
};

/** What is measured of a run on test prompts. */
export const skill = ({ measures }: Found): number => measures.test.average;
export const style = ({ measures }: Found): number => measures.test.style;

/** Seed by seed, what becomes of a run of the one kind and one of the other. */
export const bySeed = (
  a: readonly Found[],
  b: readonly Found[],
  of: (one: Found, other: Found) => number,
): Interval | undefined => {
  const values = a.flatMap((run) => {
    const other = b.find(({ seed }) => seed === run.seed);
    return other === undefined ? [] : [of(run, other)];
  });
  return values.length > 0 ? interval(values) : undefined;
};

/** A measure of the one minus that of the other. */
export const gain =
  (of: (run: Found) => number) =>
  (one: Found, other: Found): number =>
    of(one) - of(other);

export const runsAt = (runs: readonly Found[], x: number | undefined): Found[] => runs.filter((run) => run.x === x);
/** The place whose validation skill is best, mean over seeds. */
export const bestPlace = (runs: readonly Found[]): number | undefined => {
  const scored = placesOf(runs).map((x) => ({
    x,
    score: mean(runsAt(runs, x).map(({ measures }) => measures.validation.average)),
  }));
  return scored.length === 0 ? undefined : scored.reduce((a, b) => (b.score > a.score ? b : a)).x;
};
