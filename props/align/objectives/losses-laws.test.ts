/** The project's laws 31 to 36, of all losses on pairs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { PAIR_LOSS_TYPES, type PairLossType, REFERENCE_FREE } from "../../../align/objectives/losses.js";
import { check, law } from "../../law.js";
import {
  B,
  BETA,
  batches,
  EPS,
  gradientsOf,
  klOf,
  logp,
  lossesOf,
  near,
  type Pair,
  plus,
  ratio,
  type Side,
  scoresOf,
  sigmoid,
  zOf,
} from "./pair-losses.js";

const few = { effort: 0.2 };

/** Policy and reference alike. */
const agreeing = (pairs: readonly Pair[]) =>
  pairs.map(({ w, l }) => ({ w: { ...w, reference: w.policy }, l: { ...l, reference: l.policy } }));

law(
  "(31) where policy = reference, every comparing loss is its constant",
  batches,
  async (pairs, device) => {
    const constants: Readonly<Partial<Record<PairLossType, number>>> = {
      ...{ sigmoid: Math.LN2, cdpo: Math.LN2, robust: Math.LN2, hinge: 1, ipo: 1 / (4 * BETA ** 2) },
      ...{ kto_pair: 0.5, apo_zero: 1, apo_down: 1, nca_pair: 2 * Math.LN2, sppo_hard: 2 * (0.5 / BETA) ** 2 },
      exo_pair: -Math.LN2 - 0.5 * Math.log(EPS * (1 - EPS)),
    };
    const types = Object.keys(constants) as PairLossType[];
    assert.deepEqual([...types, ...REFERENCE_FREE].sort(), [...PAIR_LOSS_TYPES].sort());
    const got = await lossesOf(scoresOf(agreeing(pairs)), device, types);
    for (const type of types)
      near(
        got.get(type) as number[],
        pairs.map(() => constants[type] as number),
        device,
        type,
      );
  },
  few,
);

const swapped = (pairs: readonly Pair[]) => pairs.map(({ w, l }) => ({ w: l, l: w }));

law(
  "(32) DPO(z) − DPO(−z) = −z; cDPO = DPO + εz; robust = DPO − εz/(1−2ε); (1−ε) robust(z) + ε robust(−z) = DPO(z)",
  batches,
  async (pairs, device) => {
    const types = ["sigmoid", "cdpo", "robust"] as const;
    const [there, back] = [
      await lossesOf(scoresOf(pairs), device, types),
      await lossesOf(scoresOf(swapped(pairs)), device, types),
    ];
    const [dpo, cdpo, robust] = types.map((type) => there.get(type) as number[]);
    const z = pairs.map(zOf);
    near(
      plus(dpo, back.get("sigmoid") as number[], -1),
      z.map((x) => -x),
      device,
      "odd part",
    );
    near(cdpo, plus(dpo, z, EPS), device, "cdpo");
    near(robust, plus(dpo, z, -EPS / (1 - 2 * EPS)), device, "robust");
    const clean = robust.map((x) => (1 - EPS) * x);
    near(plus(clean, back.get("robust") as number[], EPS), dpo, device, "unbiased");
  },
  few,
);

check(
  "(33) minima: cDPO at z = logit(1−ε), exo where σ(z) = 1−ε, IPO at a gap of 1/(2β), robust falls for ever",
  async (device) => {
    const at = (z: number) => ({
      w: { policy: z / BETA, reference: 0, tokens: 1 },
      l: { policy: 0, reference: 0, tokens: 1 },
    });
    const scores = scoresOf([at(Math.log((1 - EPS) / EPS)), at(0.5), at(3)]);
    const grads = await gradientsOf(scores, device, ["cdpo", "exo_pair", "ipo", "robust"]);
    const of = (name: string) => grads.get(name) as number[];
    for (const type of ["cdpo", "exo_pair"])
      for (const side of ["w", "l"]) {
        assert.ok(Math.abs(of(`${type} ${side}`)[0]) <= 1e-7, `${type}: ${of(`${type} ${side}`)}`);
        assert.ok(of(`${type} w`)[1] < -1e-3 && of(`${type} w`)[2] > 1e-3, "falls before, rises after");
      }
    // A gap of 0.5 / β is what r̄_w − r̄_l = 1/(2β) asks for.
    assert.equal(of("ipo w")[1], 0);
    assert.ok(of("robust w").every((g) => g < 0));
  },
);

/** Losses of z alone: what both answers to a prompt have in common cancels. */
const OF_MARGIN: readonly PairLossType[] = ["sigmoid", "cdpo", "robust", "hinge", "exo_pair"];
const COMPARING = PAIR_LOSS_TYPES.filter((type) => !REFERENCE_FREE.includes(type));

law(
  "(34) adding c(x) to both policies leaves losses of z as they were; adding c(x, y) to policy and reference all that compare",
  fc.tuple(batches, fc.array(fc.tuple(logp, logp), { minLength: B, maxLength: B })),
  async ([pairs, shifts], device) => {
    const moved = (by: (side: Side, c: number) => Side, same: boolean) =>
      scoresOf(pairs.map(({ w, l }, i) => ({ w: by(w, shifts[i][0]), l: by(l, shifts[i][same ? 0 : 1]) })));
    const before = await lossesOf(scoresOf(pairs), device);
    const byPrompt = await lossesOf(
      moved((s, c) => ({ ...s, policy: s.policy + c }), true),
      device,
    );
    const shift = (s: Side, c: number) => ({ ...s, policy: s.policy + c, reference: s.reference + c });
    const byAnswer = await lossesOf(moved(shift, false), device);
    // Sums of eighths are exact, so this holds bit for bit.
    for (const type of OF_MARGIN) assert.deepEqual(byPrompt.get(type), before.get(type), type);
    for (const type of COMPARING) assert.deepEqual(byAnswer.get(type), before.get(type), type);
  },
  few,
);

check("(34) all others see what both answers have in common", async (device) => {
  const pairs = [{ w: { policy: -4, reference: -5, tokens: 2 }, l: { policy: -6, reference: -4, tokens: 4 } }];
  const up = pairs.map(({ w, l }) => ({ w: { ...w, policy: w.policy - 2 }, l: { ...l, policy: l.policy - 2 } }));
  const [a, b] = [await lossesOf(scoresOf(pairs), device), await lossesOf(scoresOf(up), device)];
  for (const type of PAIR_LOSS_TYPES.filter((name) => !OF_MARGIN.includes(name)))
    assert.ok(Math.abs((a.get(type) as number[])[0] - (b.get(type) as number[])[0]) > 1e-3, type);
});

law(
  "the reference never enters losses that know none",
  batches,
  async (pairs, device) => {
    assert.deepEqual(
      await lossesOf(scoresOf(pairs), device, REFERENCE_FREE),
      await lossesOf(scoresOf(agreeing(pairs)), device, REFERENCE_FREE),
    );
  },
  few,
);

law(
  "(35, 36) gradients: sigmoid −βσ(−z) and its opposite; hinge −β where z < 1; none through kto_pair's KL",
  batches,
  async (pairs, device) => {
    const grads = await gradientsOf(scoresOf(pairs), device, ["sigmoid", "hinge", "kto_pair", "ipo"]);
    const [klW, klL] = [klOf(pairs.map(({ w }) => w)), klOf(pairs.map(({ l }) => l))];
    const slope = (x: number) => sigmoid(x) * sigmoid(-x);
    const want: Readonly<Record<string, (pair: Pair) => number>> = {
      "sigmoid w": (p) => -BETA * sigmoid(-zOf(p)),
      "sigmoid l": (p) => BETA * sigmoid(-zOf(p)),
      // At the kink both sides are right; the mean of them is what maximum says.
      "hinge w": (p) => (zOf(p) < 1 ? -BETA : zOf(p) === 1 ? -BETA / 2 : 0),
      "hinge l": (p) => (zOf(p) < 1 ? BETA : zOf(p) === 1 ? BETA / 2 : 0),
      "kto_pair w": ({ w }) => (-BETA / 2) * slope(BETA * (ratio(w) - klL)),
      "kto_pair l": ({ l }) => (BETA / 2) * slope(BETA * (klW - ratio(l))),
      "ipo w": ({ w, l }) => (2 * (ratio(w) / w.tokens - ratio(l) / l.tokens - 0.5 / BETA)) / w.tokens,
      "ipo l": ({ w, l }) => (-2 * (ratio(w) / w.tokens - ratio(l) / l.tokens - 0.5 / BETA)) / l.tokens,
    };
    for (const [name, of] of Object.entries(want)) near(grads.get(name) as number[], pairs.map(of), device, name);
  },
  few,
);

law(
  "(36) the order of pairs never changes a pair's loss",
  batches,
  async (pairs, device) => {
    const [forth, back] = [
      await lossesOf(scoresOf(pairs), device),
      await lossesOf(scoresOf([...pairs].reverse()), device),
    ];
    for (const [type, values] of forth) near([...(back.get(type) as number[])].reverse(), values, device, type);
  },
  few,
);
