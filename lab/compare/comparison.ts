import type { Place } from "../analysis/frontier.js";
import { type Interval, interval, mean, type Verdict, verdictOf } from "../analysis/interval.js";
import { paired, placesBySeed, placesOf, type Scored, selectedRate } from "../analysis/paths.js";
import { levelsOf } from "./levels.js";
import { type Counting, counted, type InSplits, type Measured } from "./measured.js";

/** A method's run at a learning rate under a seed. */
export interface Cell {
  readonly method: string;
  readonly rate: number;
  readonly seed: number;
}

/** What a cell came to: its job's id and measures, or why there are none. */
export type CellResult = Cell & { readonly job: string } & (
    | { readonly measured: InSplits; readonly reason?: undefined }
    | { readonly measured?: undefined; readonly reason: string }
  );

/** What a comparison rests on. */
export interface Grounds extends Counting {
  /** Name → its keys, in words. */
  readonly methods: Readonly<Record<string, string>>;
  /** Whom the others are held against. */
  readonly reference: string;
  readonly seeds: readonly number[];
  /** Style levels, ascending, of which the last is the main one; left out: `levelsOf`. */
  readonly at?: readonly number[];
  /** The model where all start. */
  readonly start: InSplits;
  readonly cells: readonly CellResult[];
}

/** A method in the table. */
export interface MethodRow {
  readonly method: string;
  /** The learning rate that validation selects, and its test numbers, mean over seeds. Left out where nothing was run. */
  readonly selected?: {
    readonly rate: number;
    readonly average: number;
    readonly style: number;
    readonly test: Measured;
  };
  /** Seed by seed, the selected setting's test skill minus the reference's selected one's. */
  readonly selectedMinus?: Interval;
  /** Its place at the main level, one a seed; undefined where its path does not cross it. */
  readonly places: readonly (Place | undefined)[];
  /** Seed by seed, test skill there minus the reference's; left out unless all seeds have both. */
  readonly minus?: Interval;
  /** Of the claim that it beats the reference at the main level. */
  readonly verdict: Verdict;
}

/** A method's skill minus the reference's at a style level. */
export interface LevelDifference {
  readonly method: string;
  readonly level: number;
  readonly minus?: Interval;
}

/** What follows from the cells. */
export interface Comparison {
  readonly levels: readonly number[];
  readonly rows: readonly MethodRow[];
  readonly frontiers: readonly LevelDifference[];
}

/** Cells as points of paths. */
export const scoredOf = ({ cells, ...counting }: Counting & Pick<Grounds, "cells">, method: string): Scored[] =>
  cells.flatMap(({ method: own, rate, seed, measured }) =>
    own !== method || measured === undefined ? [] : [{ seed, x: rate, measures: inBoth(measured, counting) }],
  );

const inBoth = ({ validation, test }: InSplits, counting: Counting): Scored["measures"] => ({
  validation: counted(validation, counting),
  test: counted(test, counting),
});

/** The model where all start, once a seed. */
export const startOf = ({ start, seeds, ...counting }: Counting & Pick<Grounds, "start" | "seeds">): Scored[] =>
  seeds.map((seed) => ({ seed, x: 0, measures: inBoth(start, counting) }));

const meanOf = (all: readonly Measured[]): Measured => {
  const over = <K extends string>(records: readonly Readonly<Record<K, number>>[]): Record<K, number> =>
    Object.fromEntries(
      Object.keys(records[0]).map((key) => [key, mean(records.map((record) => record[key as K]))]),
    ) as Record<K, number>;
  const pairs = all.flatMap(({ pairs }) => (pairs === undefined ? [] : [pairs]));
  return { tasks: over(all.map(({ tasks }) => tasks)), ...(pairs.length > 0 && { pairs: over(pairs) }) };
};

/** Runs at rates under which no seed failed, if there is such a rate; else all. */
const whole = (runs: readonly Scored[], seeds: number): readonly Scored[] => {
  const full = placesOf(runs).filter((x) => runs.filter((run) => run.x === x).length === seeds);
  return full.length === 0 ? runs : runs.filter(({ x }) => full.includes(x));
};

/** Works out all that follows from what the cells came to; places and rates are chosen by validation, and told of test. */
export const compared = (grounds: Grounds): Comparison => {
  const { methods, reference, seeds, cells } = grounds;
  const start = startOf(grounds);
  const runs = new Map(Object.keys(methods).map((method) => [method, scoredOf(grounds, method)]));
  const of = (method: string): readonly Scored[] => runs.get(method) ?? [];
  const levels = grounds.at ?? levelsOf(start, of(reference));
  const main = levels.at(-1) ?? Number.NaN;
  const placesAt = (method: string, level: number) => placesBySeed(start, of(method), seeds, level);
  const minus = (method: string, level: number): Interval | undefined =>
    method === reference ? undefined : paired(placesAt(method, level), placesAt(reference, level));

  const chosen = new Map(
    Object.keys(methods).flatMap((method) => {
      const own = whole(of(method), seeds.length);
      return own.length === 0 ? [] : [[method, selectedRate(own, main)] as const];
    }),
  );
  const skillBySeed = (method: string): (number | undefined)[] =>
    seeds.map(
      (seed) => of(method).find((run) => run.seed === seed && run.x === chosen.get(method))?.measures.test.average,
    );
  const selectedMinus = (method: string): Interval | undefined => {
    const theirs = skillBySeed(reference);
    const differences = skillBySeed(method).map((ours, i) => (ours ?? Number.NaN) - (theirs[i] ?? Number.NaN));
    return method !== reference && differences.every(Number.isFinite) ? interval(differences) : undefined;
  };
  const rows = Object.keys(methods).map((method): MethodRow => {
    const rate = chosen.get(method);
    const tests = cells.flatMap(({ method: own, rate: x, measured }) =>
      own === method && x === rate && measured !== undefined ? [measured.test] : [],
    );
    const test = tests.length === 0 ? undefined : meanOf(tests);
    const [found, ahead] = [minus(method, main), selectedMinus(method)];
    return {
      method,
      ...(rate !== undefined && test !== undefined && { selected: { rate, ...counted(test, grounds), test } }),
      ...(ahead !== undefined && { selectedMinus: ahead }),
      places: placesAt(method, main),
      ...(found !== undefined && { minus: found }),
      verdict: found === undefined ? "not run" : verdictOf(found),
    };
  });
  const others = Object.keys(methods).filter((method) => method !== reference);
  const frontiers = others.flatMap((method) =>
    levels.map((level): LevelDifference => {
      const found = minus(method, level);
      return { method, level, ...(found !== undefined && { minus: found }) };
    }),
  );
  return { levels, rows, frontiers };
};
