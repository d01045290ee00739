/** How far models move and what they forget; rivals held against AdamW and online merging: by a plain second reading. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crossings } from "../../lab/analysis/frontier.js";
import { rankCorrelation } from "../../lab/analysis/moved.js";
import { METHODS } from "../../lab/methods.js";
import { reportOf } from "../../lab/report/html.js";
import { tries } from "../reach.js";
import { documents, rates, seeds } from "./lab-plain.js";

const [document] = documents();

test("rank correlation: 1 for any rising order, −1 for a falling one, of Pearson's formula on ranks", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 9 }), (xs) => {
      assert.ok(
        Math.abs(
          rankCorrelation(
            xs,
            xs.map((x) => x ** 3),
          ) - 1,
        ) < 1e-12,
      );
      assert.ok(
        Math.abs(
          rankCorrelation(
            xs,
            xs.map((x) => -x),
          ) + 1,
        ) < 1e-12,
      );
    }),
    { numRuns: tries(30) },
  );
  // One swap of neighbours of four: 1 − 6·2/(4·15); ties share a rank.
  assert.ok(Math.abs(rankCorrelation([1, 2, 3, 4], [1, 3, 2, 4]) - 0.8) < 1e-12);
  assert.ok(Math.abs(rankCorrelation([1, 2, 2, 3], [1, 2, 2, 3]) - 1) < 1e-12);
  assert.ok(Number.isNaN(rankCorrelation([1, 1], [1, 2])));
});

test("crossings: where a path has a value, and nowhere else", () => {
  const path = [
    { x: 3, y: 4 },
    { x: 0, y: 0 },
    { x: 1, y: 2 },
  ];
  assert.deepEqual(
    crossings(path, ({ y }) => y, 3).map(({ from, to, t }) => [from.x, to.x, t]),
    [[1, 3, 0.5]],
  );
  assert.deepEqual(
    crossings(path, ({ y }) => y, 5),
    [],
  );
  assert.deepEqual(
    crossings(path, () => Number.NaN, 0),
    [],
  );
});

/** A run's KL on new prompts, margin and skill along a method's path under a seed. */
const pathOf = (world: string, line: string, seed: number) =>
  [0, ...rates].map((x) => {
    const section = x === 0 ? "sft" : "methods";
    const run = document.runs.find(
      (r) => r.section === section && r.world === world && r.seed === seed && r.x === x && (x === 0 || r.line === line),
    );
    assert.ok(run !== undefined);
    return { x, ...run.measures.moved, margin: run.measures.margin, run };
  });

test("margins at equal KL, method by method, are those between the two runs on either side", () => {
  for (const [world, { moved }] of Object.entries(document.worlds))
    for (const { method, margin } of moved) {
      if (margin === undefined) continue;
      const differences = seeds.map((seed) => {
        const [own, adamw] = [pathOf(world, method, seed), pathOf(world, "adamw", seed)];
        let reference: { kl: number; margin: number } | undefined;
        let best = Number.NEGATIVE_INFINITY;
        for (let i = 1; i < adamw.length; i++) {
          const [low, high] = [adamw[i - 1], adamw[i]];
          const [a, b] = [low.run.measures.validation, high.run.measures.validation];
          if ((a.style - 0.9) * (b.style - 0.9) > 0) continue;
          const t = a.style === b.style ? 0 : (0.9 - a.style) / (b.style - a.style);
          const skill = a.average + t * (b.average - a.average);
          if (skill <= best) continue;
          best = skill;
          reference = { kl: low.new + t * (high.new - low.new), margin: low.margin + t * (high.margin - low.margin) };
        }
        assert.ok(reference !== undefined);
        for (let i = 1; i < own.length; i++) {
          const [low, high] = [own[i - 1], own[i]];
          if ((low.new - reference.kl) * (high.new - reference.kl) > 0) continue;
          const t = low.new === high.new ? 0 : (reference.kl - low.new) / (high.new - low.new);
          return low.margin + t * (high.margin - low.margin) - reference.margin;
        }
        return Number.NaN;
      });
      const mean = differences.reduce((sum, x) => sum + x, 0) / seeds.length;
      assert.ok(Math.abs(mean - margin.mean) < 1e-9, `${method}, ${world}`);
    }
});

/** Test skill where a path crosses a style rate, the crossing with most skill in validation; NaN where it does not. */
const skillAt = (world: string, line: string, seed: number, style: number): number => {
  const path = pathOf(world, line, seed).map(({ run }) => run.measures);
  let [best, found] = [Number.NEGATIVE_INFINITY, Number.NaN];
  for (let i = 1; i < path.length; i++) {
    const [low, high] = [path[i - 1], path[i]];
    const [a, b] = [low.validation.style - style, high.validation.style - style];
    if (a * b > 0) continue;
    const t = a === b ? 0 : a / (a - b);
    const skill = low.validation.average + t * (high.validation.average - low.validation.average);
    if (skill <= best) continue;
    best = skill;
    found = low.test.average + t * (high.test.average - low.test.average);
  }
  return found;
};

test("rivals: all of them, each against AdamW as in Table 1, and in the report with its verdict", () => {
  const html = reportOf(document);
  const names = Object.entries(METHODS).flatMap(([name, { family }]) =>
    family === "rival" || family === "proposal" ? [name] : [],
  );
  let below = 0;
  for (const [world, { rivals, table }] of Object.entries(document.worlds)) {
    assert.deepEqual(
      rivals.map(({ method }) => method),
      names,
    );
    for (const { method, adamw, online } of rivals) {
      const atMain = table.find((row) => row.method === method)?.minusAdamW;
      if (atMain !== undefined) assert.deepEqual([adamw.interval, adamw.style], [atMain, 0.9]);
      else below += 1;
      const levels = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];
      const both = levels.map((style) =>
        seeds.map((seed) => skillAt(world, method, seed, style) - skillAt(world, "adamw", seed, style)),
      );
      const first = both.findIndex((differences) => !differences.some(Number.isNaN));
      assert.equal(adamw.style, levels[first], `${method}, ${world}`);
      both[first]?.forEach((difference, i) => {
        assert.ok(Math.abs(difference - (adamw.interval?.values[i] ?? 0)) < 1e-9, `${method}, ${world}`);
      });
      if (online.against !== undefined) assert.equal(METHODS[online.against].family, "online merge");
      for (const { interval, verdict } of [adamw, online])
        assert.equal(verdict === "replicates", interval !== undefined && interval.low > 0);
      assert.ok(html.includes(`<tr data-rival="${method}"><td>`));
    }
  }
  assert.ok(below > 0, "none had to be held against AdamW at less style");
});
