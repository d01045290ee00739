/** Drawn labs, and a plain reading of their runs: loops, and nothing of lab/analysis. */
import assert from "node:assert/strict";
import type { Interval } from "../../lab/analysis/interval.js";
import type { Found } from "../../lab/analysis/results.js";
import { idOf, type Job } from "../../lab/jobs/job.js";
import type { Measures } from "../../lab/jobs/outcome.js";
import { type Document, documentOf } from "../../lab/report/document.js";
import { SIZES } from "../../lab/sizes.js";
import { draws } from "../../lab/world/draws.js";
import { KINDS } from "../../lab/world/skills.js";
import { madeUpCache } from "./lab-values.js";

export const size = SIZES.full;
export const { rates, seeds, analyses } = size;
export const worlds = Object.keys(size.worlds);

/** A lab whose outcomes are drawn: nothing about one run tells anything about another. Styles lie around the main rate. */
const drawn = (seed: number): Document => {
  const outcome = (job: Job) => {
    const from = draws(seed, idOf(job));
    const share = (low: number) => low + ((1 - low) * from.below(1000)) / 1000;
    const score = () => ({
      right: Object.fromEntries(KINDS.map((kind) => [kind, share(0)])) as Measures["test"]["right"],
      average: share(0.2),
      style: share(0.75),
      length: share(0),
    });
    const measures = {
      validation: score(),
      test: score(),
      margin: share(0),
      accuracy: share(0),
      kl: share(0),
      moved: { new: share(0), old: share(0) },
    };
    return { measures, curve: [{ step: 10, loss: 1, margin: share(0) }], relativeDelta: share(0) };
  };
  return documentOf(size, { ...madeUpCache, outcome });
};
/** Made anew in each law, so that a fault planted in the analysis is in them. */
export const documents = () => [1, 2, 3].map(drawn);

export const near = (a: number, b: number, what: string): void =>
  assert.ok(Math.abs(a - b) < 1e-9, `${what}: ${a}, not ${b}`);
export const average = (values: readonly number[]): number => {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
};

/** Runs by their place, once a document. */
const byPlace = new WeakMap<Document, Map<string, Found[]>>();

/** The one run at a place. */
export const runOf = (
  document: Document,
  section: string,
  world: string,
  line: string,
  x: number,
  seed: number,
): Found => {
  const place = (run: { section: string; world: string; line: string; x: number; seed: number }): string =>
    [run.section, run.world, run.line, run.x, run.seed].join(" ");
  const runs = byPlace.get(document) ?? new Map<string, Found[]>();
  if (!byPlace.has(document))
    for (const run of document.runs) runs.set(place(run), [...(runs.get(place(run)) ?? []), run]);
  byPlace.set(document, runs);
  const found = runs.get(place({ section, world, line, x, seed })) ?? [];
  assert.equal(found.length, 1, `${section} ${world} ${line} ${x} ${seed}`);
  return found[0];
};

export interface Spot {
  readonly validation: number;
  readonly test: number;
}

/** Where a path crosses a style rate on validation, the best of such places. */
const crossing = (path: readonly Found[], style: number): Spot | undefined => {
  let best: Spot | undefined;
  for (let i = 0; i + 1 < path.length; i++) {
    const [a, b] = [path[i].measures, path[i + 1].measures];
    const [p, q] = [a.validation.style, b.validation.style];
    if ((p < style && q < style) || (p > style && q > style)) continue;
    const t = p === q ? 0 : (style - p) / (q - p);
    const mix = (from: number, to: number) => (1 - t) * from + t * to;
    const spot = {
      validation: mix(a.validation.average, b.validation.average),
      test: mix(a.test.average, b.test.average),
    };
    if (best === undefined || spot.validation > best.validation) best = spot;
  }
  return best;
};
export const spotsOf = (d: Document, world: string, line: string, style = 0.9): (Spot | undefined)[] =>
  seeds.map((seed) =>
    crossing(
      [runOf(d, "sft", world, "sft", 0, seed), ...rates.map((x) => runOf(d, "methods", world, line, x, seed))],
      style,
    ),
  );
export const lossSpots = (d: Document, line: string): (Spot | undefined)[] =>
  seeds.map((seed) =>
    crossing(
      [
        runOf(d, "sft", analyses.world, "sft", 0, seed),
        ...analyses.lossRates.map((x) => runOf(d, "loss", analyses.world, line, x, seed)),
      ],
      0.9,
    ),
  );

/** a − b seed by seed, or undefined if a seed lacks one. */
export const differences = (
  a: readonly (Spot | undefined)[],
  b: readonly (Spot | undefined)[],
): number[] | undefined => {
  const out: number[] = [];
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [a[i], b[i]];
    if (one === undefined || other === undefined) return undefined;
    out.push(one.test - other.test);
  }
  return out;
};
export const sameValues = (
  found: Interval | undefined,
  expected: readonly number[] | undefined,
  what: string,
): void => {
  assert.equal(found === undefined, expected === undefined, what);
  if (found === undefined || expected === undefined) return;
  assert.equal(found.values.length, expected.length, what);
  for (const [i, value] of expected.entries()) near(found.values[i], value, `${what}, seed ${i}`);
  near(found.mean, average(expected), what);
};

/** Whom other losses are tried on. */
export const COMPARED = ["adamw", "ondare_official", "onties_official"];
