import type { Loss } from "../jobs/job.js";
import { METHOD_NAMES, METHODS, type MethodName } from "../methods.js";
import { lossLine, ONLINE } from "../plan.js";
import type { Size } from "../sizes.js";
import type { Place } from "./frontier.js";
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
  /** Of the analyses. */
  readonly learningRate: number;
}

const percent = Math.round(100 * MAIN_STYLE);
/** A method's places at the main style rate, one a seed. */
type Places = (asked: Asked, method: MethodName) => readonly (Place | undefined)[];
const atMain: Places = ({ all, world }, method) => placesAt(all, world, method, MAIN_STYLE);
const under =
  (loss: Loss): Places =>
  ({ all, world }, method) =>
    placesAt(all, world, lossLine(method, loss), MAIN_STYLE, "loss");

/** The method of a group that validation prefers at the main style rate, among those that reach it under every seed. */
const bestOf = (asked: Asked, group: readonly MethodName[], placesOf: Places): MethodName | undefined => {
  const scored = group.flatMap((method) => {
    const places = placesOf(asked, method);
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
const contest = (
  id: string,
  claim: string,
  a: readonly MethodName[],
  b: readonly MethodName[],
  placesOf: Places = atMain,
): Question => {
  const both = (asked: Asked) => [bestOf(asked, a, placesOf), bestOf(asked, b, placesOf)] as const;
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
      return paired(placesOf(asked, ours), placesOf(asked, theirs));
    },
  };
};

const skill = ({ measures }: Found): number => measures.test.average;
const style = ({ measures }: Found): number => measures.test.style;

/** Seed by seed, what becomes of a run of the one kind and one of the other. */
const bySeed = (
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
const gain =
  (of: (run: Found) => number) =>
  (one: Found, other: Found): number =>
    of(one) - of(other);

const runsAt = (runs: readonly Found[], x: number | undefined): Found[] => runs.filter((run) => run.x === x);
/** The place whose validation skill is best, mean over seeds. */
const bestPlace = (runs: readonly Found[]): number | undefined => {
  const scored = placesOf(runs).map((x) => ({
    x,
    score: mean(runsAt(runs, x).map(({ measures }) => measures.validation.average)),
  }));
  return scored.length === 0 ? undefined : scored.reduce((a, b) => (b.score > a.score ? b : a)).x;
};

/** By the paper's table, nothing is left at this A. */
const COLLAPSE = 10;
const ALPHA_LINES = { wide: "ondare_official", narrow: "ondare_official p .01" } as const;

/** Seed by seed, skill at the smallest α minus skill where the drift is nearest to A = 10, by its logarithm. */
const lostByDrift = ({ all, world }: Asked, line: string): Interval | undefined => {
  const runs = select(all, { section: "alpha", world, line });
  const far = ({ drift = 0 }: Found): number => Math.abs(Math.log(drift / COLLAPSE));
  const least = Math.min(...runs.map(far));
  return bySeed(
    runsAt(runs, placesOf(runs)[0]),
    runs.filter((run) => far(run) === least),
    gain(skill),
  );
};

const SMALL_P = 0.01;
/** Style that may be lost where nothing is said to be lost. */
const MARGIN = 0.05;

const questions: readonly Question[] = [
  {
    id: "tax",
    claim: "Preference training costs skills.",
    measure: () => `skill: SFT model − AdamW, mean over the learning rates that reach style ${percent} %`,
    interval: ({ all, world }) => {
      const runs = select(all, { section: "methods", world, line: "adamw" });
      const reached = placesOf(runs).filter(
        (x) => mean(runsAt(runs, x).map(({ measures }) => measures.validation.style)) >= MAIN_STYLE,
      );
      const after = (seed: number) =>
        mean(runs.filter((run) => run.seed === seed && reached.includes(run.x)).map(skill));
      const lost = select(all, { section: "sft", world }).map((sft) => skill(sft) - after(sft.seed));
      return reached.length > 0 && lost.length > 0 ? interval(lost) : undefined;
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
  contest("loss-ipo", "Under IPO too, online merging beats AdamW.", ONLINE, ["adamw"], under("ipo")),
  contest("loss-kto", "Under KTO too, online merging beats AdamW.", ONLINE, ["adamw"], under("kto")),
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
      return bySeed(runsAt(runs, bestPlace(runs)), select(all, { section: "sft", world }), gain(skill));
    },
  },
  {
    id: "sparse",
    claim: "OnDARE keeps its reward at a reserve rate of .01.",
    measure: () => `style rate at p ${SMALL_P} − at p 1, plus ${MARGIN}`,
    interval: ({ all, world }) => {
      const runs = select(all, { section: "p", world, line: "ondare_official A fixed" });
      return bySeed(runsAt(runs, SMALL_P), runsAt(runs, 1), (small, whole) => style(small) - style(whole) + MARGIN);
    },
  },
  {
    id: "fragile",
    claim: "OnTIES is more fragile than OnDARE at small reserve rates.",
    measure: () => `style rate at p ${SMALL_P}: OnDARE − OnTIES`,
    interval: ({ all, world }) => {
      const at = (line: string) => runsAt(select(all, { section: "p", world, line }), SMALL_P);
      return bySeed(at("ondare_official A fixed"), at("onties_official α fixed"), gain(style));
    },
  },
  {
    id: "rise",
    claim: "Skill rises with α before it falls.",
    measure: () => "OnDARE's skill at the α > 0 that validation prefers − at α = 0",
    interval: ({ all, world, learningRate }) => {
      const runs = select(all, { section: "alpha", world, line: "ondare_official" });
      const zero = select(all, { section: "methods", world, line: "ondare_zero" });
      return bySeed(runsAt(runs, bestPlace(runs)), runsAt(zero, learningRate), gain(skill));
    },
  },
  {
    id: "collapse",
    claim: "A drift of A = Tα/p ≈ 10 collapses the model.",
    measure: () => "OnDARE's skill at p .3: at the smallest α − at A ≈ 10",
    interval: (asked) => lostByDrift(asked, ALPHA_LINES.wide),
  },
  {
    id: "drift-number",
    claim: "A alone says when: A ≈ 10 costs as much at a small reserve rate.",
    measure: () => "OnDARE's skill lost by A ≈ 10, at p .01 − half of that at p .3",
    interval: (asked) => {
      const [narrow, wide] = [lostByDrift(asked, ALPHA_LINES.narrow), lostByDrift(asked, ALPHA_LINES.wide)];
      return narrow && wide && interval(narrow.values.map((lost, i) => lost - wide.values[i] / 2));
    },
  },
  {
    id: "gap",
    claim: "Reward falls as the gap K grows.",
    measure: () => "OnTIES' style rate at K 1 − at the largest K",
    interval: ({ all, world }) => {
      const runs = select(all, { section: "gap", world, line: "onties_official α fixed" });
      return bySeed(runsAt(runs, placesOf(runs)[0]), runsAt(runs, placesOf(runs).at(-1)), gain(style));
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
      const at = (x: number) => bySeed(runsAt(ties, x), runsAt(adamw, x), gain(skill))?.values;
      const [small, large] = [at(places[0]), at(places[places.length - 1])];
      return small && large && interval(small.map((value, i) => value - large[i]));
    },
  },
];

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
