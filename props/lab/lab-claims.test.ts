/** The lab's claims against a second, plain reading of the same runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { METHODS } from "../../lab/methods.js";
import {
  analyses,
  average,
  COMPARED,
  differences,
  documents,
  lossSpots,
  rates,
  runOf,
  type Spot,
  sameValues,
  seeds,
  size,
  spotsOf,
} from "./lab-plain.js";

test("lab: every claim's number is what a plain reading of the runs gives", () => {
  const p = analyses.learningRate;
  const names = Object.keys(METHODS) as (keyof typeof METHODS)[];
  const of = (...families: string[]) => names.filter((name) => families.includes(METHODS[name].family));
  for (const d of documents())
    for (const { id, world, interval } of d.claims) {
      const skill = (section: string, line: string, x: number, seed: number) =>
        runOf(d, section, world, line, x, seed).measures.test.average;
      const style = (section: string, line: string, x: number, seed: number) =>
        runOf(d, section, world, line, x, seed).measures.test.style;
      const sft = (seed: number) => skill("sft", "sft", 0, seed);
      /** The x at which validation's mean skill is best. */
      const best = (section: string, line: string, xs: readonly number[]) => {
        const worth = xs.map((x) =>
          average(seeds.map((seed) => runOf(d, section, world, line, x, seed).measures.validation.average)),
        );
        return xs[worth.indexOf(Math.max(...worth))];
      };
      const contest = (ours: string[], theirs: string[], spots: (name: string) => (Spot | undefined)[]) => {
        const first = (group: string[]) => {
          let [name, worth]: [string | undefined, number] = [undefined, -1];
          for (const one of group) {
            const all = spots(one);
            if (all.some((spot) => spot === undefined)) continue;
            const mean = average(all.map((spot) => spot?.validation ?? 0));
            if (mean > worth) [name, worth] = [one, mean];
          }
          return name;
        };
        const [a, b] = [first(ours), first(theirs)];
        return a === undefined || b === undefined ? undefined : differences(spots(a), spots(b));
      };
      const main = (name: string) => spotsOf(d, world, name);
      const online = of("online merge");
      const lost = (line: string, alpha: number) =>
        seeds.map((seed) => skill("alpha", line, analyses.alphas[0], seed) - skill("alpha", line, alpha, seed));
      const taught = rates.filter(
        (x) => average(seeds.map((s) => runOf(d, "methods", world, "adamw", x, s).measures.validation.style)) >= 0.9,
      );
      const beta = (x: number, seed: number) =>
        skill("beta", "onties_official", x, seed) - skill("beta", "adamw", x, seed);
      const expected: Readonly<Record<string, () => number[] | undefined>> = {
        tax: () =>
          taught.length === 0
            ? undefined
            : seeds.map((s) => sft(s) - average(taught.map((x) => skill("methods", "adamw", x, s)))),
        "ondare-best": () =>
          contest(
            ["ondare_official", "ondare_paper"],
            [...of("plain", "regularizer", "offline merge"), "onties_official", "onties_paper"],
            main,
          ),
        "online-adamw": () => contest(online, ["adamw"], main),
        "online-regularizers": () => contest(online, of("regularizer"), main),
        "online-offline": () => contest(online, of("offline merge"), main),
        "loss-ipo": () => contest(COMPARED.slice(1), ["adamw"], (name) => lossSpots(d, `${name} ipo`)),
        "loss-kto": () => contest(COMPARED.slice(1), ["adamw"], (name) => lossSpots(d, `${name} kto`)),
        "alpha-matters": () => differences(main("ondare_official"), main("ondare_zero")),
        drift: () => {
          const forward = size.drifts.filter((c) => c > 0);
          return seeds.map((s) => skill("drift", "drift", best("drift", "drift", forward), s) - sft(s));
        },
        sparse: () => {
          const at = (x: number, s: number) => style("p", "ondare_official A fixed", x, s);
          return seeds.map((s) => at(0.01, s) - at(1, s) + 0.05);
        },
        fragile: () =>
          seeds.map(
            (s) => style("p", "ondare_official A fixed", 0.01, s) - style("p", "onties_official α fixed", 0.01, s),
          ),
        rise: () => {
          const alpha = best("alpha", "ondare_official", analyses.alphas);
          return seeds.map((s) => skill("alpha", "ondare_official", alpha, s) - skill("methods", "ondare_zero", p, s));
        },
        // A = 100 steps · α / p is 10.
        collapse: () => lost("ondare_official", 0.03),
        "drift-number": () => {
          const [narrow, wide] = [lost("ondare_official p 0.01", 1e-3), lost("ondare_official", 0.03)];
          return narrow.map((points, i) => points - wide[i] / 2);
        },
        gap: () => {
          const at = (x: number, s: number) => style("gap", "onties_official α fixed", x, s);
          return seeds.map((s) => at(1, s) - at(100, s));
        },
        beta: () => seeds.map((s) => beta(0.03, s) - beta(1, s)),
      };
      assert.ok(id in expected, id);
      sameValues(interval, expected[id](), `${id}, ${world}`);
    }
});
