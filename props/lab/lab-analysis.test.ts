/** The lab's arithmetic: intervals, places on a path, selection that looks at validation alone, verdicts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claimsOf } from "../../lab/analysis/claims.js";
import { atStyle, type Point } from "../../lab/analysis/frontier.js";
import { halfway } from "../../lab/analysis/halfway.js";
import { interval, verdictOf } from "../../lab/analysis/interval.js";
import { selectedRate } from "../../lab/analysis/paths.js";
import type { Found } from "../../lab/analysis/results.js";
import { tableOf } from "../../lab/analysis/table.js";
import { SIZES } from "../../lab/sizes.js";
import { madeUpDocument } from "./lab-values.js";

const near = (a: number, b: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);
const eighths = fc.integer({ min: -80, max: 80 }).map((n) => n / 8);

test("lab: the interval of 1, 2, 3 is 2 ± 4.3027/√3", () => {
  const { mean, low, high } = interval([1, 2, 3]);
  near(mean, 2);
  near(high - 2, 4.3027 / Math.sqrt(3));
  near(2 - low, 4.3027 / Math.sqrt(3));
});

/** The share of Student's t with ν degrees of freedom between −t and t, by the midpoint rule over its angle, t = √ν tan φ. */
const coverage = (t: number, nu: number): number => {
  const [steps, edge] = [20_000, Math.atan(t / Math.sqrt(nu))];
  const sum = (to: number) => {
    let area = 0;
    for (let i = 0; i < steps; i++) area += Math.cos(((i + 0.5) / steps) * to) ** (nu - 1) * (to / steps);
    return area;
  };
  return sum(edge) / sum(Math.PI / 2);
};

test("lab: an interval covers 95 % of Student's t at any number of seeds, and more beyond the table", () => {
  for (let n = 2; n <= 13; n++) {
    const values = Array.from({ length: n }, (_, i) => i);
    const { mean, high } = interval(values);
    const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) / n);
    near(coverage((high - mean) / spread, n - 1), 0.95, 2e-5);
  }
  const many = interval(Array.from({ length: 30 }, (_, i) => i));
  near(many.high - many.mean, 2.1788 * Math.sqrt(77.5 / 30));
});

test("lab: an interval moves and scales with its values, and one value says nothing", () => {
  fc.assert(
    fc.property(fc.array(eighths, { minLength: 2, maxLength: 9 }), eighths, (values, shift) => {
      const [plain, moved] = [interval(values), interval(values.map((x) => shift - 2 * x))];
      near(moved.mean, shift - 2 * plain.mean, 1e-9);
      near(moved.high, shift - 2 * plain.low, 1e-9);
      assert.ok(plain.low <= plain.mean && plain.mean <= plain.high);
    }),
  );
  assert.equal(verdictOf(interval([5])), "undecided");
});

test("lab: a verdict is the interval's side of zero", () => {
  const said = (
    [
      [1, 2],
      [-2, -1],
      [-1, 1],
      [0, 1],
    ] as const
  ).map(([low, high]) => verdictOf({ mean: 0, low, high, values: [] }));
  assert.deepEqual(said, ["replicates", "does not replicate", "undecided", "undecided"]);
});

const score = (average: number, style: number) => ({ average, style });
const point = (x: number, validation: [number, number], test: [number, number] = validation): Point => ({
  x,
  validation: score(...validation),
  test: score(...test),
});

test("lab: a place lies on the path, at the asked style, whatever the order of settings", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(8), fc.nat(8)), { minLength: 2, maxLength: 5 }),
      fc.integer({ min: 1, max: 15 }),
      (steps, half) => {
        const path = steps.map(([average, style], i) => point(10 ** i, [average / 8, style / 8]));
        const style = half / 16;
        const place = atStyle(path, style);
        const crosses = path.some(
          ({ validation }, i) => i > 0 && (validation.style - style) * (path[i - 1].validation.style - style) <= 0,
        );
        assert.equal(place !== undefined, crosses);
        assert.deepEqual(atStyle(path.toReversed(), style), place);
        if (place === undefined) return;
        near(place.test, place.validation);
        if (path.every(({ validation }, i) => i === 0 || validation.style !== path[i - 1].validation.style))
          near(place.testStyle, style);
        assert.ok(place.rate >= 1 - 1e-9 && place.rate <= (1 + 1e-9) * 10 ** (path.length - 1));
      },
    ),
  );
});

test("lab: halfway between two rates, skill is halfway and the rate their geometric mean", () => {
  const place = atStyle([point(1e-5, [0.8, 0.8], [0.7, 0.75]), point(1e-3, [0.6, 1], [0.5, 0.95])], 0.9);
  assert.ok(place !== undefined);
  near(place.validation, 0.7);
  near(place.test, 0.6);
  near(place.testStyle, 0.85);
  near(place.rate, 1e-4, 1e-12);
});

test("lab: before the first rate a path comes from the SFT model, at learning rate 0", () => {
  const place = atStyle([point(0, [0.9, 0]), point(1e-4, [0.5, 1])], 0.75);
  near(place?.test ?? 0, 0.6);
  near(place?.rate ?? 0, 7.5e-5, 1e-12);
});

test("lab: half is lost where the line crosses it, by the logarithm of x, and nowhere on a line that stays up", () => {
  const at = (...points: [number, number][]) => halfway(points.map(([x, y]) => ({ x, y })));
  near(at([1, 0.8], [10, 0.6], [1000, 0.2]) ?? 0, 100);
  near(at([1, 0.8], [4, 0.4], [8, 0]) ?? 0, 4);
  assert.deepEqual([at([1, 0.8], [10, 0.5]), at(), at([1, 0])], [undefined, undefined, undefined]);
});

const { runs } = madeUpDocument(SIZES.full);
const withTest = (change: (run: Found) => number): Found[] =>
  runs.map((run) => ({
    ...run,
    measures: { ...run.measures, test: { ...run.measures.test, average: change(run), style: change(run) } },
  }));

test("lab: selection never looks at the test split", () => {
  const scrambled = withTest(({ x, seed }) => ((Math.round(x * 1e6) * 7 + seed) % 11) / 11);
  const before = tableOf(runs, "light");
  const after = tableOf(scrambled, "light");
  for (const [i, { method, rate, places }] of before.entries()) {
    assert.equal(after[i].rate, rate, method);
    assert.deepEqual(
      after[i].places.map((place) => place?.rate),
      places.map((place) => place?.rate),
      method,
    );
  }
  assert.notDeepEqual(after, before);
});

test("lab: no table depends on the order of runs within a seed", () => {
  const turned = runs.toSorted((a, b) => a.seed - b.seed || b.x - a.x);
  assert.deepEqual(tableOf(turned, "light"), tableOf(runs, "light"));
  const told = (all: readonly Found[]) =>
    claimsOf(all, SIZES.full).map(({ id, interval: of }) => [id, of?.values.map((value) => value.toFixed(9))]);
  assert.deepEqual(told(turned), told(runs));
  for (const { measure } of claimsOf(runs, SIZES.full).filter(({ id }) => id.startsWith("on")))
    assert.match(measure, /^skill at style 90 %: /);
});

test("lab: validation selects the most skill among rates with enough style, else the most style", () => {
  const at = (x: number, average: number, style: number): Found => ({
    ...runs[0],
    x,
    measures: { ...runs[0].measures, validation: { ...runs[0].measures.validation, average, style } },
  });
  assert.equal(selectedRate([at(1, 0.9, 0.5), at(2, 0.7, 0.92), at(3, 0.8, 0.95), at(4, 0.6, 1)], 0.9), 3);
  assert.equal(selectedRate([at(1, 0.9, 0.5), at(2, 0.7, 0.8)], 0.9), 2);
});

const verdicts = (all: readonly Found[]) => {
  const light = claimsOf(all, SIZES.full).filter(({ world }) => world === "light");
  return new Map(light.map(({ id, verdict }) => [id, verdict]));
};

test("lab: a collapse is one where A nears 10, for each reserve rate by itself", () => {
  const collapsing = (falls: (run: Found) => boolean) =>
    verdicts(
      runs.map((run) => {
        const average = (falls(run) ? 0.1 : 0.8) + 0.01 * run.seed;
        return { ...run, measures: { ...run.measures, test: { ...run.measures.test, average } } };
      }),
    );
  const isFar = ({ drift = 0 }: Found) => drift > 9.9;
  const both = collapsing((run) => run.section === "alpha" && isFar(run));
  assert.deepEqual([both.get("collapse"), both.get("drift-number")], ["replicates", "replicates"]);
  const one = collapsing((run) => run.section === "alpha" && isFar(run) && !run.line.includes("p 0.01"));
  assert.deepEqual([one.get("collapse"), one.get("drift-number")], ["replicates", "does not replicate"]);
  const late = collapsing((run) => run.section === "alpha" && (run.drift ?? 0) > 11);
  assert.equal(late.get("collapse"), "undecided", "nothing is lost by A = 10");
});

/** Where a claim is made true (or, with the other sign, false): the runs it is about, and what they gain. */
type Gain = readonly [about: (run: Found) => boolean, of: "average" | "style", by: number];
const within =
  (section: Found["section"], line: string, x?: number) =>
  (run: Found): boolean =>
    run.section === section && run.line.startsWith(line) && (x === undefined || run.x === x);
const isOnline = ({ line }: Found): boolean => line !== "ondare_zero" && /^on(dare|ties)/.test(line);
const { alphas, gaps, klBetas } = SIZES.full.analyses;
const gains: Readonly<Record<string, Gain>> = {
  tax: [within("sft", "sft"), "average", 0.5],
  "ondare-best": [(run) => within("methods", "ondare_")(run) && isOnline(run), "average", 0.05],
  "online-adamw": [(run) => run.section === "methods" && isOnline(run), "average", 0.05],
  "online-regularizers": [(run) => run.section === "methods" && isOnline(run), "average", 0.05],
  "online-offline": [(run) => run.section === "methods" && isOnline(run), "average", 0.05],
  "loss-ipo": [(run) => within("loss", "on")(run) && run.line.endsWith("ipo"), "average", 0.05],
  "loss-kto": [(run) => within("loss", "on")(run) && run.line.endsWith("kto"), "average", 0.05],
  "alpha-matters": [within("methods", "ondare_official"), "average", 0.05],
  drift: [(run) => run.section === "drift" && run.x > 0, "average", 0.05],
  sparse: [within("p", "ondare_official A fixed", 0.01), "style", 0.06],
  fragile: [within("p", "onties_official α fixed", 0.01), "style", -0.05],
  rise: [within("alpha", "ondare_official", alphas[2]), "average", 0.05],
  collapse: [within("alpha", "ondare_official", alphas[0]), "average", 0.05],
  "drift-number": [within("alpha", "ondare_official p 0.01", alphas[0]), "average", 0.05],
  gap: [within("gap", "onties_official α fixed", Math.max(...gaps)), "style", -0.05],
  beta: [within("beta", "onties_official", Math.min(...klBetas)), "average", 0.05],
};

test("lab: each claim replicates where it is made true, and does not where its opposite is", () => {
  // Made-up methods differ in nothing, so that every difference is the one that is made.
  const alike = runs.map((run) => {
    const even = ({ style, ...rest }: Found["measures"]["test"]) => ({ ...rest, style, average: 0.8 - style / 4 });
    const { validation, test: held } = run.measures;
    return { ...run, measures: { ...run.measures, validation: even(validation), test: even(held) } };
  });
  const changed = ([about, of, by]: Gain, sign: number): Found[] =>
    alike.map((run) => {
      if (!about(run)) return run;
      const more = (score: Found["measures"]["test"]) => ({ ...score, [of]: score[of] + sign * by });
      const { validation, test: held } = run.measures;
      return { ...run, measures: { ...run.measures, validation: more(validation), test: more(held) } };
    });
  const falls: readonly string[] = ["rise"]; // only the best α counts, and that one is then another
  for (const [id, gain] of Object.entries(gains)) {
    assert.equal(verdicts(changed(gain, 1)).get(id), "replicates", id);
    const opposite = verdicts(changed(gain, -1)).get(id);
    assert.equal(opposite, falls.includes(id) ? "undecided" : "does not replicate", id);
  }
  assert.deepEqual(new Set(Object.keys(gains)), new Set(verdicts(runs).keys()), "every claim is asked");
});

test("lab: a claim whose section was not run is not run", () => {
  const section = { collapse: "alpha", sparse: "p", gap: "gap", beta: "beta", "loss-kto": "loss", drift: "drift" };
  for (const [id, own] of Object.entries(section))
    assert.equal(verdicts(runs.filter((run) => run.section !== own)).get(id), "not run", id);
});
