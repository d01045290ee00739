/** What follows from a comparison's cells: levels, rates and places by validation alone, numbers of test, and the report of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type CellResult, compared, type Grounds } from "../../lab/compare/comparison.js";
import { comparisonDocument } from "../../lab/compare/document.js";
import type { InSplits, Measured } from "../../lab/compare/measured.js";
import { comparisonReport } from "../../lab/compare/report.js";
import { tries } from "../reach.js";

const measured = (skill: number, style: number): Measured => ({
  tasks: { one: skill, two: skill / 2, other: 0.5 },
  pairs: { "rewards/accuracies": style, "rewards/margins": 3 * style - 1 },
});
const both = (skill: number, style: number, off = 0): InSplits => ({
  validation: measured(skill + off, style),
  test: measured(skill, style),
});

/** Style rises with the learning rate, and skill falls; `better` loses less. */
const grounds = (seeds: readonly number[], rates: readonly number[], style = "rewards/accuracies"): Grounds => ({
  ...{ skill: ["one", "two"], style, seeds, reference: "adamw" },
  methods: { adamw: "{}", better: '{"optim":"ondare"}', "<worse>": "{}" },
  start: both(0.8, 0.5),
  cells: Object.entries({ adamw: 0, better: 0.1, "<worse>": -0.1 }).flatMap(([method, gain]) =>
    rates.flatMap((rate, i) =>
      seeds.map((seed): CellResult => {
        const [skill, at] = [0.8 - 0.1 * (i + 1) + gain * (i + 1) + 0.01 * seed, 0.5 + 0.15 * (i + 1)];
        return { method, rate, seed, job: `${method} ${i} ${seed}`, measured: both(skill, at, 0.02) };
      }),
    ),
  ),
});
const usual = grounds([0, 1, 2], [1e-6, 1e-5, 1e-4]);

const about = { version: "1", train: "dpo", settings: {}, jobs: {} };
const counts = { validation: 3, test: 4 };
const documentOf = (given: Grounds) =>
  comparisonDocument(given, { ...about, asked: { tasks: { one: counts, two: counts, other: counts }, pairs: counts } });

test("compare: at equal style, differences are those of skill there, seed by seed", () => {
  const { levels, rows, frontiers } = compared(usual);
  // From .5 on the reference reaches .95: half, three quarters and nine tenths of the way.
  assert.deepEqual(levels, [0.725, 0.837, 0.905]);
  for (const [method, gain] of [
    ["better", 1],
    ["<worse>", -1],
  ] as const)
    for (const { level, minus } of frontiers.filter((one) => one.method === method)) {
      // Skill is the mean of two tasks, of which one is half of the other; a step is .15 of style.
      const expected = (gain * 0.1 * 0.75 * (level - 0.5)) / 0.15;
      assert.ok(Math.abs((minus?.mean ?? Number.NaN) - expected) < 1e-9, `${method} at ${level}: ${minus?.mean}`);
      assert.equal(minus?.values.length, 3);
    }
  assert.deepEqual(
    rows.map(({ verdict }) => verdict),
    ["not run", "replicates", "does not replicate"],
  );
});

test("compare: test rows choose nothing: no level, no rate, no place", () => {
  const choices = (given: Grounds) => {
    const { levels, rows } = compared(given);
    return [levels, rows.map(({ selected, places }) => [selected?.rate, places.map((place) => place?.rate)])];
  };
  const chosen = choices(usual);
  fc.assert(
    fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (numbers) => {
      const next = (): number => numbers.next().value as number;
      const other = (found: InSplits): InSplits => ({ ...found, test: measured(next(), next()) });
      const cells = usual.cells.map(
        (cell): CellResult => (cell.measured ? { ...cell, measured: other(cell.measured) } : cell),
      );
      assert.deepEqual(choices({ ...usual, start: other(usual.start), cells }), chosen);
    }),
    { numRuns: tries(20) },
  );
});

test("compare: what failed is missing and no more: its seed has a shorter path, its rate is not selected", () => {
  const failing = (given: Grounds, fails: (cell: CellResult) => boolean): Grounds => ({
    ...given,
    cells: given.cells.map((cell): CellResult => {
      const { measured: _, reason: __, ...own } = cell;
      return fails(cell) ? { ...own, reason: "the loss is NaN <b>" } : cell;
    }),
  });
  const one = failing(usual, ({ method, rate, seed }) => method === "better" && rate === 1e-4 && seed === 1);
  const row = (given: Grounds, method: string) => compared(given).rows.find((found) => found.method === method);
  const better = row(one, "better");
  assert.equal(better?.selected?.rate, 1e-5);
  assert.deepEqual(
    better?.places.map((place) => place !== undefined),
    [true, false, true],
  );
  assert.deepEqual([better?.minus, better?.verdict], [undefined, "not run"]);
  assert.deepEqual(row(one, "<worse>"), row(usual, "<worse>"));
  const html = comparisonReport(documentOf(one));
  assert.match(html, /<td>better<\/td><td>1e−4<\/td><td>1<\/td><td>not run: the loss is NaN &lt;b&gt;<\/td>/);
  assert.equal(
    row(
      failing(usual, ({ method }) => method === "better"),
      "better",
    )?.selected,
    undefined,
  );
  // Without the reference there is nothing to hold others against.
  const alone = failing(usual, ({ method }) => method === "adamw");
  assert.deepEqual(compared(alone).levels, []);
  assert.match(comparisonReport(documentOf(alone)), /no level to compare at/);
});

const GROUNDS: Readonly<Record<string, Grounds>> = {
  usual,
  "one seed": grounds([3], [1e-6, 1e-5]),
  "one rate": grounds([0, 1], [1e-5]),
  "by margins": grounds([0, 1], [1e-6, 1e-5], "rewards/margins"),
  "by a task": { ...grounds([0, 1], [1e-6, 1e-5]), style: "other" },
  "levels of one's own": { ...usual, at: [0.6, 0.7, 2] },
};

for (const [name, given] of Object.entries(GROUNDS))
  test(`compare: the report is one file that says what results.json holds: ${name}`, () => {
    const document = documentOf(given);
    const html = comparisonReport(document);
    assert.doesNotMatch(html, /https?:|<script|<link|<img|@import|url\(|undefined|NaN|Infinity|\[object|<worse>/);
    assert.equal(comparisonReport(JSON.parse(JSON.stringify(document))), html);
    for (const { method, selected } of document.rows) {
      const line = html
        .split(`<tr data-method="${method.replace("<", "&lt;").replace(">", "&gt;")}">`)[1]
        .split("</tr>")[0];
      assert.ok(line.includes(`<td>${(100 * (selected?.average ?? 0)).toFixed(1)}</td>`), line);
    }
    assert.ok(html.includes("With one seed there are no intervals") === (given.seeds.length === 1));
  });
