import { atStyle, type Place, type Point } from "./frontier.js";
import { type Interval, interval, mean } from "./interval.js";

/** A run as a point of a path: under which seed, at which learning rate, and how it did in both splits. */
export interface Scored {
  readonly seed: number;
  /** Learning rate; 0 for the model where all start. */
  readonly x: number;
  readonly measures: Pick<Point, "validation" | "test">;
}

/** The different values of x, ascending. */
export const placesOf = (runs: readonly Pick<Scored, "x">[]): number[] =>
  [...new Set(runs.map(({ x }) => x))].sort((a, b) => a - b);

/** A method's place at a style rate, seed by seed; its path begins where all start. Undefined where it does not cross the rate. */
export const placesBySeed = (
  start: readonly Scored[],
  own: readonly Scored[],
  seeds: readonly number[],
  style: number,
): (Place | undefined)[] =>
  seeds.map((seed) => {
    const path = [...start, ...own].filter((run) => run.seed === seed);
    return atStyle(
      path.map(({ x, measures }) => ({ x, ...measures })),
      style,
    );
  });

/** Differences a − b seed by seed, if every seed has both. */
export const paired = (a: readonly (Place | undefined)[], b: readonly (Place | undefined)[]): Interval | undefined => {
  const differences = a.flatMap((place, i) => {
    const other = b[i];
    return place === undefined || other === undefined ? [] : [place.test - other.test];
  });
  return differences.length === a.length ? interval(differences) : undefined;
};

/**
 * The learning rate that validation selects: most skill among those whose style rate reaches `enough`, means over seeds;
 * where none does, the one with most style.
 */
export const selectedRate = (runs: readonly Scored[], enough: number): number => {
  const rates = placesOf(runs).map((x) => {
    const here = runs.filter((run) => run.x === x);
    const of = (key: "average" | "style") => mean(here.map(({ measures }) => measures.validation[key]));
    return { x, average: of("average"), style: of("style") };
  });
  const reached = rates.filter(({ style }) => style >= enough);
  const best = (among: typeof rates, key: "average" | "style") => among.reduce((a, b) => (b[key] > a[key] ? b : a)).x;
  return reached.length > 0 ? best(reached, "average") : best(rates, "style");
};
