/** The lab's tables against a second, plain reading of the same runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { METHODS } from "../../lab/methods.js";
import { KINDS } from "../../lab/world/skills.js";
import {
  analyses,
  average,
  COMPARED,
  differences,
  documents,
  lossSpots,
  near,
  rates,
  runOf,
  sameValues,
  seeds,
  spotsOf,
  worlds,
} from "./lab-plain.js";

test("lab: Table 1 and the frontiers are what a plain reading of the runs gives", () => {
  let reached = 0;
  for (const d of documents())
    for (const world of worlds) {
      const { table, frontiers, sft, relativeDelta } = d.worlds[world];
      const tuned = seeds.map((seed) => runOf(d, "sft", world, "sft", 0, seed));
      near(sft.average, average(tuned.map(({ measures }) => measures.test.average)), "sft");
      near(relativeDelta, average(tuned.map((run) => run.relativeDelta ?? 0)), "rms τ / rms θ");
      const selected = (line: string): number => {
        let [best, score, styled] = [rates[0], -1, false];
        for (const x of rates) {
          const here = seeds.map((seed) => runOf(d, "methods", world, line, x, seed).measures.validation);
          const [skill, style] = [average(here.map((s) => s.average)), average(here.map((s) => s.style))];
          const enough = style >= 0.9;
          const worth = enough ? skill : style;
          if ((enough && !styled) || (enough === styled && worth > score)) [best, score, styled] = [x, worth, enough];
        }
        return best;
      };
      const skillsAt = (line: string) =>
        seeds.map((seed) => runOf(d, "methods", world, line, selected(line), seed).measures.test.average);
      assert.deepEqual(
        table.map(({ method }) => method),
        Object.keys(METHODS),
      );
      for (const { method, rate, selected: row, selectedMinusAdamW, places, minusAdamW } of table) {
        assert.equal(rate, selected(method), method);
        const here = seeds.map((seed) => runOf(d, "methods", world, method, rate, seed).measures);
        near(row.average, average(here.map(({ test: s }) => s.average)), method);
        near(row.style, average(here.map(({ test: s }) => s.style)), method);
        near(row.length, average(here.map(({ test: s }) => s.length)), method);
        near(row.margin, average(here.map(({ margin }) => margin)), method);
        near(row.kl, average(here.map(({ kl }) => kl)), method);
        for (const kind of KINDS) near(row.right[kind], average(here.map(({ test: s }) => s.right[kind])), kind);
        const [ours, theirs] = [skillsAt(method), skillsAt("adamw")];
        sameValues(
          selectedMinusAdamW,
          ours.map((value, i) => value - theirs[i]),
          method,
        );
        const spots = spotsOf(d, world, method);
        for (const [i, spot] of spots.entries()) {
          assert.equal(places[i] === undefined, spot === undefined);
          if (spot !== undefined) near(places[i]?.test ?? 0, spot.test, method);
        }
        sameValues(minusAdamW, differences(spots, spotsOf(d, world, "adamw")), method);
        if (minusAdamW !== undefined) reached++;
      }
      for (const style of [0.8, 0.85, 0.9, 0.95])
        for (const method of Object.keys(METHODS)) {
          const found = frontiers.filter((point) => point.method === method && point.style === style);
          assert.equal(found.length, 1);
          const expected = differences(spotsOf(d, world, method, style), spotsOf(d, world, "adamw", style));
          sameValues(found[0].minusAdamW, expected, `${method} at ${style}`);
        }
    }
  assert.ok(reached > 20, `${reached} comparisons at equal style`);
});

test("lab: Table 2 is what a plain reading of the runs gives", () => {
  for (const d of documents()) {
    assert.deepEqual(
      d.losses.map(({ loss, method }) => [loss, method]),
      ["sigmoid", "ipo", "kto"].flatMap((loss) => COMPARED.map((method) => [loss, method])),
    );
    for (const { loss, method, places, minusAdamW } of d.losses) {
      const spots = (name: string) =>
        loss === "sigmoid" ? spotsOf(d, analyses.world, name) : lossSpots(d, `${name} ${loss}`);
      const own = spots(method);
      for (const [i, spot] of own.entries()) {
        assert.equal(places[i] === undefined, spot === undefined);
        if (spot !== undefined) near(places[i]?.test ?? 0, spot.test, `${method} ${loss}`);
      }
      const expected = method === "adamw" ? undefined : differences(own, spots("adamw"));
      sameValues(minusAdamW, expected, `${method} ${loss}`);
    }
  }
});
