import fc from "fast-check";
import { adam, onDare, optimizer, sgd } from "../../optim/index.js";
import { assertApart, assertNear, assertSame, masked, masksOver, path, runs } from "../../testing/runs.js";
import { check, law } from "../law.js";

/** ε that vanishes beside every v of these runs, and keeps 0/0 at 0. */
const TINY = 1e-30;
const paperAdam = (eps = 1e-8, betas?: readonly [number, number]) => optimizer(adam({ form: "paper", eps, betas }));
const _alphas = fc.constantFrom(0.125, 0.25, 0.5);
const some = { effort: 0.25 };

/** One mask for Δ at each step, as a run takes them. */
const deltaMasks = (masks: readonly (readonly number[])[]) => (t: number) => ({ delta: masks[t] });

law(
  "law 2: α=0, one static mask: onDare ≡ ChildTuning-D at every step",
  fc.tuple(runs(), masksOver(1)),
  async ([run, [mask]], device) => {
    const fixed = run.grads.map(() => mask);
    const dropped = await path(onDare({ reserveP: 0.5 }), { ...run, masks: deltaMasks(fixed) }, device);
    const child = await path(paperAdam(), masked(run, fixed), device);
    for (const [t, expected] of child.weights.entries()) assertSame(dropped.weights[t], expected, device, `step ${t}`);
  },
  some,
);

law(
  "law 2: α=0, fresh masks, ε→0: onDare ≡ ChildTuning-F at the first step",
  fc.tuple(runs(1), masksOver(1)),
  async ([run, masks], device) => {
    const dropped = await path(
      onDare({ reserveP: 0.5, eps: TINY }),
      { ...run, lr: 0.25, masks: deltaMasks(masks) },
      device,
    );
    const child = await path(paperAdam(TINY), masked({ ...run, lr: 0.25 }, masks, 2), device);
    assertNear(dropped.end, child.end, device);
  },
  some,
);

law(
  "law 2: α=0, fresh masks, β1=β2=0: onDare ≡ ChildTuning-F at every step",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    const betas = [0, 0] as const;
    const dropped = await path(
      onDare({ reserveP: 0.5, eps: TINY, betas }),
      { ...run, lr: 0.25, masks: deltaMasks(masks) },
      device,
    );
    const child = await path(paperAdam(TINY, betas), masked({ ...run, lr: 0.25 }, masks, 2), device);
    for (const [t, expected] of child.weights.entries()) assertNear(dropped.weights[t], expected, device, `step ${t}`);
  },
  some,
);

law(
  "law 2: α=0, SGD: onDare ≡ ChildTuning-F when both or neither rescale",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    const fed = { ...run, lr: 0.25, masks: deltaMasks(masks) };
    const neither = await path(onDare({ reserveP: 0.5, base: sgd() }), fed, device);
    const both = await path(onDare({ reserveP: 0.5, base: sgd(), preset: "official" }), fed, device);
    assertNear(neither.end, (await path(optimizer(sgd()), masked(fed, masks), device)).end, device);
    assertNear(both.end, (await path(optimizer(sgd()), masked(fed, masks, 2), device)).end, device);
  },
  some,
);

check("law 2, trap: with the usual β, fresh masks part from ChildTuning-F at the second step", async (device) => {
  const run = {
    start: [0, 0],
    grads: [
      [1, 1],
      [1, 1],
    ],
    lr: 0.25,
  };
  const masks = [
    [1, 0],
    [0, 1],
  ];
  const dropped = await path(onDare({ reserveP: 0.5, eps: TINY }), { ...run, masks: deltaMasks(masks) }, device);
  const child = await path(paperAdam(TINY), masked(run, masks), device);
  assertNear(dropped.weights[0], child.weights[0], device);
  assertApart([dropped.weights[1][0]], [child.weights[1][0]], device, "the first weight coasts on its momentum in one");
  assertApart([dropped.weights[1][1]], [child.weights[1][1]], device, "the second has an older moment in the other");
});

check("law 2, trap: SGD with 1/p on one side only differs", async (device) => {
  const run = { start: [0], grads: [[1]], lr: 0.25, masks: () => ({ delta: [1] }) };
  const dropped = await path(onDare({ reserveP: 0.5, base: sgd() }), run, device);
  assertApart(dropped.end, (await path(optimizer(sgd()), masked(run, [[1]], 2), device)).end, device);
});

law(
  "law 3: ε→0: ChildTuning-F's 1/p does nothing under Adam",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    const given = { ...run, lr: 0.25 };
    for (const form of ["paper", "torch"] as const) {
      const plain = await path(optimizer(adam({ form, eps: TINY })), masked(given, masks), device);
      const scaled = await path(optimizer(adam({ form, eps: TINY })), masked(given, masks, 1 / 0.3), device);
      assertNear(scaled.end, plain.end, device, form);
    }
  },
  some,
);
