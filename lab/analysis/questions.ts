import { METHOD_NAMES, METHODS, type MethodName, trainingOf } from "../methods.js";
import { ONLINE, SMALL_P, smallLine } from "../plan.js";
import { type Interval, interval, mean } from "./interval.js";
import { placesOf } from "./paths.js";
import {
  type Asked,
  bestPlace,
  bySeed,
  contest,
  gain,
  MAIN_PERCENT,
  type Question,
  runsAt,
  skill,
  style,
  under,
} from "./question.js";
import { type Found, select } from "./results.js";
import { MAIN_STYLE } from "./table.js";

const family = (...names: readonly string[]): MethodName[] =>
  METHOD_NAMES.filter((name) => names.includes(METHODS[name].family));
const ondare = METHOD_NAMES.filter((name) => name === "ondare_official" || name === "ondare_paper");

/** By the paper's table, nothing is left at this A. */
export const COLLAPSE = 10;

/** OnDARE's reserve rate in Table 1, and along α. */
const TABLE_P = trainingOf("ondare_official").optimizer.reserveP;

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

/** Style that may be lost where nothing is said to be lost. */
const MARGIN = 0.05;

/** What the paper claims, and what a sceptic asks. */
export const questions: readonly Question[] = [
  {
    id: "tax",
    claim: "Preference training costs skills.",
    measure: () => `skill: SFT model − AdamW, mean over the learning rates that reach style ${MAIN_PERCENT} %`,
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
    claim: `OnDARE keeps its reward at a reserve rate of ${SMALL_P}.`,
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
    claim: `A drift of A = Tα/p ≈ ${COLLAPSE} collapses the model.`,
    measure: () => `OnDARE's skill at p ${TABLE_P}: at the smallest α − at A ≈ ${COLLAPSE}`,
    interval: (asked) => lostByDrift(asked, "ondare_official"),
  },
  {
    id: "drift-number",
    claim: `A alone says when: A ≈ ${COLLAPSE} costs as much at a small reserve rate.`,
    measure: () => `OnDARE's skill lost by A ≈ ${COLLAPSE}, at p ${SMALL_P} − half of that at p ${TABLE_P}`,
    interval: (asked) => {
      const [narrow, wide] = [lostByDrift(asked, smallLine), lostByDrift(asked, "ondare_official")];
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
