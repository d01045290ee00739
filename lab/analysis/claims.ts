import { METHOD_NAMES, METHODS, type MethodName } from "../methods.js";
import { type Interval, interval, mean, type Verdict, verdictOf } from "./interval.js";
import { type Found, placesOf, select } from "./results.js";
import { MAIN_STYLE, paired, placesAt } from "./table.js";

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

/** How a claim is put to the runs of a world: a number a seed that is positive if it holds. */
interface Question {
  readonly id: string;
  readonly claim: string;
  readonly measure: (ask: Asked) => string;
  readonly interval: (ask: Asked) => Interval | undefined;
}

/** The runs of one world, with the look-ups that questions share. */
interface Asked {
  readonly all: readonly Found[];
  readonly world: string;
}

const percent = Math.round(100 * MAIN_STYLE);
const atMain = ({ all, world }: Asked, method: MethodName) => placesAt(all, world, method, MAIN_STYLE);

/** The method of a group that validation prefers at the main style rate, among those that reach it under every seed. */
const bestOf = (asked: Asked, group: readonly MethodName[]): MethodName | undefined => {
  const scored = group.flatMap((method) => {
    const places = atMain(asked, method);
    const reached = places.flatMap((place) => (place === undefined ? [] : [place.validation]));
    return places.length > 0 && reached.length === places.length ? [{ method, score: mean(reached) }] : [];
  });
  if (scored.length === 0) return undefined;
  return scored.reduce((a, b) => (b.score > a.score ? b : a)).method;
};

const family = (...names: readonly string[]): MethodName[] =>
  METHOD_NAMES.filter((name) => names.includes(METHODS[name].family));
const ondare = METHOD_NAMES.filter((name) => name === "ondare_official" || name === "ondare_paper");

/** Group a against group b at the main style rate, each by the member that validation prefers. */
const contest = (id: string, claim: string, a: readonly MethodName[], b: readonly MethodName[]): Question => {
  const both = (asked: Asked) => [bestOf(asked, a), bestOf(asked, b)] as const;
  const label = (name: MethodName | undefined) => (name === undefined ? "none in reach" : METHODS[name].label);
  return {
    id,
    claim,
    measure: (asked) => {
      const [ours, theirs] = both(asked);
      return `skill at style ${percent} %: ${label(ours)} − ${label(theirs)}`;
    },
    interval: (asked) => {
      const [ours, theirs] = both(asked);
      if (ours === undefined || theirs === undefined) return undefined;
      return paired(atMain(asked, ours), atMain(asked, theirs));
    },
  };
};

type Measure = (run: Found) => number;
const skill: Measure = ({ measures }) => measures.test.average;
const style: Measure = ({ measures }) => measures.test.style;

/** Seed by seed, a measure of some runs minus that of others. */
const between = (a: readonly Found[], b: readonly Found[], of: Measure, plus = 0): Interval | undefined => {
  const differences = a.flatMap((run) => {
    const other = b.find(({ seed }) => seed === run.seed);
    return other === undefined ? [] : [of(run) - of(other) + plus];
  });
  return differences.length > 0 ? interval(differences) : undefined;
};

const runsAt = (runs: readonly Found[], x: number | undefined): Found[] => runs.filter((run) => run.x === x);
/** The place whose validation skill is best, mean over seeds. */
const bestPlace = (runs: readonly Found[]): number | undefined => {
  const scored = placesOf(runs).map((x) => ({
    x,
    score: mean(runsAt(runs, x).map(({ measures }) => measures.validation.average)),
  }));
  return scored.length === 0 ? undefined : scored.reduce((a, b) => (b.score > a.score ? b : a)).x;
};

const SMALL_P = 0.01;
/** Style that may be lost where nothing is said to be lost. */
const MARGIN = 0.05;

const questions: readonly Question[] = [
  {
    id: "tax",
    claim: "Preference training costs skills.",
    measure: () => "skill: SFT model − AdamW at the largest learning rate",
    interval: ({ all, world }) => {
      const runs = select(all, { section: "methods", world, line: "adamw" });
      return between(select(all, { section: "sft", world }), runsAt(runs, placesOf(runs).at(-1)), skill);
    },
  },
  contest("ondare-best", "OnDARE is the best method overall.", ondare, [
    ...family("plain", "regularizer", "offline merge"),
    ...METHOD_NAMES.filter((name) => name.startsWith("onties") && METHODS[name].family === "online merge"),
  ]),
  contest("online-adamw", "Online merging beats AdamW.", family("online merge"), ["adamw"]),
  contest(
    "online-regularizers",
    "Online merging beats every regularizer.",
    family("online merge"),
    family("regularizer"),
  ),
  contest("online-offline", "Online merging beats offline merging.", family("online merge"), family("offline merge")),
  contest(
    "alpha-matters",
    "Control: the drift along τ adds something (OnDARE against itself at α = 0).",
    ["ondare_official"],
    ["ondare_zero"],
  ),
  {
    id: "drift",
    claim: "Control: a drift along τ alone helps (θ_r + cτ, c > 0 by validation, against θ_r).",
    measure: () => "skill: θ_r + cτ − θ_r",
    interval: ({ all, world }) => {
      const runs = select(all, { section: "drift", world }).filter(({ x }) => x > 0);
      return between(runsAt(runs, bestPlace(runs)), select(all, { section: "sft", world }), skill);
    },
  },
  {
    id: "sparse",
    claim: "OnDARE keeps its reward at a reserve rate of .01.",
    measure: () => `style rate at p ${SMALL_P} − at p 1, plus ${MARGIN}`,
    interval: ({ all, world }) => {
      const runs = select(all, { section: "p", world, line: "ondare_official A fixed" });
      return between(runsAt(runs, SMALL_P), runsAt(runs, 1), style, MARGIN);
    },
  },
  {
    id: "fragile",
    claim: "OnTIES is more fragile than OnDARE at small reserve rates.",
    measure: () => `style rate at p ${SMALL_P}: OnDARE − OnTIES`,
    interval: ({ all, world }) => {
      const at = (line: string) => runsAt(select(all, { section: "p", world, line }), SMALL_P);
      return between(at("ondare_official A fixed"), at("onties_official α fixed"), style);
    },
  },
  {
    id: "rise",
    claim: "Skill rises with α before it falls.",
    measure: () => "OnDARE's skill at the α that validation prefers − at the smallest",
    interval: ({ all, world }) => {
      const runs = select(all, { section: "alpha", world, line: "ondare_official" });
      return between(runsAt(runs, bestPlace(runs)), runsAt(runs, placesOf(runs)[0]), skill);
    },
  },
  {
    id: "collapse",
    claim: "Large α collapses the model.",
    measure: () => "OnDARE's skill at the smallest α − at the largest",
    interval: ({ all, world }) => {
      const runs = select(all, { section: "alpha", world, line: "ondare_official" });
      return between(runsAt(runs, placesOf(runs)[0]), runsAt(runs, placesOf(runs).at(-1)), skill);
    },
  },
  {
    id: "gap",
    claim: "Reward falls as the gap K grows.",
    measure: () => "OnTIES' style rate at K 1 − at the largest K",
    interval: ({ all, world }) => {
      const runs = select(all, { section: "gap", world, line: "onties_official α fixed" });
      return between(runsAt(runs, placesOf(runs)[0]), runsAt(runs, placesOf(runs).at(-1)), style);
    },
  },
  {
    id: "beta",
    claim: "OnTIES complements a small β.",
    measure: () => "skill of OnTIES − AdamW, at the smallest β − at the largest",
    interval: ({ all, world }) => {
      const line = (name: string) => select(all, { section: "beta", world, line: name });
      const [ties, adamw] = [line("onties_official"), line("adamw")];
      const places = placesOf(ties);
      const gain = (x: number) => between(runsAt(ties, x), runsAt(adamw, x), skill)?.values;
      const [small, large] = [gain(places[0]), gain(places[places.length - 1])];
      return small && large && interval(small.map((value, i) => value - large[i]));
    },
  },
];

/** Every claim in every world that has runs for it. A claim without any is "not run" once. */
export const claimsOf = (all: readonly Found[], worlds: readonly string[]): Claim[] =>
  questions.flatMap(({ id, claim, measure, interval: of }) => {
    const asked = worlds.map((world): Claim => {
      const ask = { all, world };
      const found = of(ask);
      const verdict = found === undefined ? "not run" : verdictOf(found);
      return { id, world, claim, measure: measure(ask), verdict, interval: found };
    });
    const run = asked.filter(({ verdict }) => verdict !== "not run");
    return run.length > 0 ? run : asked.slice(0, 1);
  });
