import { METHODS, type MethodName } from "../methods.js";
import { COMPARED, lossLine } from "../plan.js";
import { KINDS, type Kind } from "../world/skills.js";
import type { Place } from "./frontier.js";
import { type Interval, interval, mean } from "./interval.js";
import { paired, placesBySeed, placesOf, selectedRate } from "./paths.js";
import { type Found, select } from "./results.js";

/** The style rate of the tables. */
export const MAIN_STYLE = 0.9;
/** The style rate that counts as all that was wanted. */
export const FULL_STYLE = 0.95;
/** Style rates at which frontiers are compared. */
export const STYLES = [0.8, 0.85, MAIN_STYLE, FULL_STYLE] as const;

/** A model's test numbers, mean over seeds. */
export interface Row {
  readonly average: number;
  readonly style: number;
  readonly length: number;
  readonly margin: number;
  readonly kl: number;
  readonly right: Readonly<Record<Kind, number>>;
}

/** A method in Table 1. */
export interface TableRow {
  readonly method: MethodName;
  /** The learning rate that validation selects, and its numbers on test. */
  readonly rate: number;
  readonly selected: Row;
  /** Seed by seed, the selected setting's test average minus AdamW's selected one's. */
  readonly selectedMinusAdamW: Interval;
  /** Skill at the main style rate, one place a seed; undefined where a path does not cross it. */
  readonly places: readonly (Place | undefined)[];
  /** Seed by seed, that skill minus AdamW's; undefined unless all seeds have both. */
  readonly minusAdamW: Interval | undefined;
}

/** Mean test numbers of runs. */
export const rowOf = (runs: readonly Found[]): Row => {
  const of = (pick: (run: Found) => number) => mean(runs.map(pick));
  return {
    average: of(({ measures }) => measures.test.average),
    style: of(({ measures }) => measures.test.style),
    length: of(({ measures }) => measures.test.length),
    margin: of(({ measures }) => measures.margin),
    kl: of(({ measures }) => measures.kl),
    right: Object.fromEntries(KINDS.map((kind) => [kind, of(({ measures }) => measures.test.right[kind])])) as Record<
      Kind,
      number
    >,
  };
};

/** A method's mean test numbers at each learning rate, ascending. */
export const rowsByRate = (all: readonly Found[], world: string, method: string): (readonly [number, Row])[] => {
  const runs = select(all, { section: "methods", world, line: method });
  return placesOf(runs).map((x) => [x, rowOf(runs.filter((run) => run.x === x))]);
};

/** A method's (or, in Table 2, a line's) place at a style rate, seed by seed; its path starts at the SFT model. */
export const placesAt = (
  all: readonly Found[],
  world: string,
  method: string,
  style: number,
  section: "methods" | "loss" = "methods",
): (Place | undefined)[] => {
  const seeds = [...new Set(all.map(({ seed }) => seed))];
  return placesBySeed(
    select(all, { section: "sft", world }),
    select(all, { section, world, line: method }),
    seeds,
    style,
  );
};

/** Table 1 of a world. */
export const tableOf = (all: readonly Found[], world: string): TableRow[] => {
  const runsOf = (line: string) => select(all, { section: "methods", world, line });
  const bySeed = (runs: readonly Found[], x: number) => runs.filter((run) => run.x === x);
  const reference = runsOf("adamw");
  const referenceAtRate = bySeed(reference, selectedRate(reference, MAIN_STYLE));
  const referencePlaces = placesAt(all, world, "adamw", MAIN_STYLE);
  return (Object.keys(METHODS) as MethodName[]).flatMap((method): TableRow[] => {
    const runs = runsOf(method);
    if (runs.length === 0) return [];
    const rate = selectedRate(runs, MAIN_STYLE);
    const here = bySeed(runs, rate);
    const places = placesAt(all, world, method, MAIN_STYLE);
    const differences = here.map(({ measures }, i) => measures.test.average - referenceAtRate[i].measures.test.average);
    return [
      {
        method,
        rate,
        selected: rowOf(here),
        selectedMinusAdamW: interval(differences),
        places,
        minusAdamW: paired(places, referencePlaces),
      },
    ];
  });
};

/** A method under a loss, in Table 2. */
export interface LossRow {
  readonly loss: string;
  readonly method: MethodName;
  readonly places: readonly (Place | undefined)[];
  /** Seed by seed, skill at the main style rate minus AdamW's under the same loss. */
  readonly minusAdamW: Interval | undefined;
}

/** Table 2: other losses, and DPO beside them from Table 1. Empty where no other loss was run. */
export const lossTableOf = (all: readonly Found[], world: string, losses: readonly string[]): LossRow[] => {
  const compared = COMPARED.filter((line) => select(all, { section: "methods", world, line }).length > 0);
  const rowsOf = (loss: string, places: (method: MethodName) => (Place | undefined)[]): LossRow[] =>
    compared.map((method) => ({
      loss,
      method,
      places: places(method),
      minusAdamW: method === "adamw" ? undefined : paired(places(method), places("adamw")),
    }));
  const run = losses.filter(
    (loss) => select(all, { section: "loss", world, line: lossLine("adamw", loss) }).length > 0,
  );
  if (run.length === 0) return [];
  return [
    ...rowsOf("sigmoid", (method) => placesAt(all, world, method, MAIN_STYLE)),
    ...run.flatMap((loss) =>
      rowsOf(loss, (method) => placesAt(all, world, lossLine(method, loss), MAIN_STYLE, "loss")),
    ),
  ];
};
