import { METHOD_NAMES, type MethodName } from "../methods.js";
import { at, bestAtStyle, crossings } from "./frontier.js";
import { type Interval, interval, mean } from "./interval.js";
import { type Found, select } from "./results.js";
import { MAIN_STYLE } from "./table.js";

/** How far a method moves a model from the tuned one, KL(π₀‖π) a token, and what it has for it. */
export interface MovedRow {
  readonly method: MethodName;
  /** At the main style rate, mean over seeds; undefined unless every seed reaches it. */
  readonly new: number | undefined;
  readonly old: number | undefined;
  /** At the KL on new prompts that AdamW has at the main style rate, seed by seed: reward margin and skill minus AdamW's. */
  readonly margin: Interval | undefined;
  readonly skill: Interval | undefined;
}

/** How far what is forgotten follows each of these: rank correlations over all runs of a seed that have half of the style. */
export interface Forgetting {
  readonly newKl: Interval;
  readonly oldKl: Interval;
  readonly learningRate: Interval;
}

interface Setting extends Pick<Found, "x"> {
  readonly validation: Found["measures"]["validation"];
  readonly test: Found["measures"]["test"];
  readonly margin: number;
  readonly new: number;
  readonly old: number;
}

const settingOf = ({ x, measures }: Found): Setting => ({
  x,
  ...{ validation: measures.validation, test: measures.test, margin: measures.margin },
  ...measures.moved,
});

/** A method's path under a seed, from the tuned model on. */
const pathOf = (all: readonly Found[], world: string, line: string, seed: number): Setting[] => {
  const own = select(all, { section: "methods", world, line });
  const runs = own.length === 0 ? [] : [...select(all, { section: "sft", world }), ...own];
  return runs.filter((run) => run.seed === seed).map(settingOf);
};

/** All values, if there are as many as seeds. */
const whole = (values: readonly (number | undefined)[]): readonly number[] | undefined => {
  const known = values.flatMap((value) => (value === undefined ? [] : [value]));
  return known.length === values.length && known.length > 0 ? known : undefined;
};

/** What moves how far, method by method. */
export const movedOf = (all: readonly Found[], world: string): MovedRow[] => {
  const seeds = [...new Set(select(all, { section: "sft", world }).map(({ seed }) => seed))];
  const paths = (line: string) => seeds.map((seed) => pathOf(all, world, line, seed));
  /** Of each seed, the first place where a path is as far away as AdamW is at the main style rate. */
  const adamw = paths("adamw").map((path) => bestAtStyle(path, MAIN_STYLE));
  const equal = (line: string, of: (setting: Setting) => number): Interval | undefined => {
    const differences = whole(
      paths(line).map((path, i) => {
        const reference = adamw[i];
        if (reference === undefined) return undefined;
        const [place] = crossings(
          path,
          (setting) => setting.new,
          at(reference, (setting) => setting.new),
        );
        return place && at(place, of) - at(reference, of);
      }),
    );
    return differences && interval(differences);
  };
  return METHOD_NAMES.filter((line) => select(all, { section: "methods", world, line }).length > 0).map((method) => {
    const places = paths(method).map((path) => bestAtStyle(path, MAIN_STYLE));
    const kl = (key: "new" | "old"): number | undefined => {
      const values = whole(places.map((place) => place && at(place, (setting) => setting[key])));
      return values && mean(values);
    };
    return {
      method,
      ...{ new: kl("new"), old: kl("old") },
      margin: equal(method, ({ margin }) => margin),
      skill: equal(method, ({ test }) => test.average),
    };
  });
};

/** Ranks from 1 on; equals share theirs. */
const ranks = (values: readonly number[]): number[] =>
  values.map((value) => {
    const below = values.filter((other) => other < value).length;
    return below + (values.filter((other) => other === value).length + 1) / 2;
  });

/** Spearman's rank correlation; NaN where one of both is constant. */
export const rankCorrelation = (a: readonly number[], b: readonly number[]): number => {
  const centred = (values: readonly number[]) => {
    const own = ranks(values);
    const middle = mean(own);
    return own.map((rank) => rank - middle);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (p: readonly number[], q: readonly number[]) => p.reduce((sum, value, i) => sum + value * q[i], 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
};

/** Below this style rate little is learned, and little forgotten. */
const LEARNED = 0.5;

/** What forgetting goes with; undefined where no run has learned. */
export const forgettingOf = (all: readonly Found[], world: string): Forgetting | undefined => {
  const seeds = select(all, { section: "sft", world });
  const correlated = (of: (setting: Setting) => number): Interval | undefined => {
    const values = whole(
      seeds.map((sft) => {
        const runs = select(all, { section: "methods", world })
          .filter(({ seed, measures }) => seed === sft.seed && measures.test.style >= LEARNED)
          .map(settingOf)
          .filter((setting) => Number.isFinite(of(setting)));
        const lost = runs.map(({ test }) => sft.measures.test.average - test.average);
        const found = rankCorrelation(runs.map(of), lost);
        return Number.isFinite(found) ? found : undefined;
      }),
    );
    return values && interval(values);
  };
  const [newKl, oldKl, learningRate] = [
    correlated((setting) => setting.new),
    correlated((setting) => setting.old),
    correlated(({ x }) => x),
  ];
  return newKl && oldKl && learningRate && { newKl, oldKl, learningRate };
};
