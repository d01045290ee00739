/** The lift over trees: what has no gradient, defaults, and what does not fit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dispose, evaluate, InputError, key, read, ShapeError, type Tensor, tensor } from "../../core/index.js";
import { adam, type MergingOptions, onDare, online, onTies } from "../../optim/index.js";
import { fixedFor } from "../../testing/optimizer-laws.js";
import { check } from "../law.js";
import { table } from "./optim-table.js";

type Weights = { [name: string]: Tensor };

check("a parameter without a gradient stays untouched: no decay, no drift, no moments", async (device) => {
  for (const { make } of table) {
    const rule = make();
    const params = { a: tensor([1]), b: tensor([2]) };
    const state = rule.init(params);
    const refDelta = { a: tensor([1]), b: tensor([1]) };
    const fixed = fixedFor(rule, state.key, { refDelta, anchor: refDelta }, device);
    const next = evaluate(rule.update(state, { a: tensor([1]) }, { lr: 0.125, ...fixed }), device);
    assert.deepEqual(Array.from(await read(next.params.b)), [2]);
    for (const slot of Object.values(next.slots)) assert.ok((await read(slot.b)).every((x) => x === 0));
    dispose(next);
  }
});

test("the seed is 0 unless said, and nothing but it decides the key", async () => {
  const [w, rule] = [{ w: tensor([1]) }, onDare()];
  const keyOf = (seed?: number) => read(rule.init(w, { seed }).key);
  assert.deepEqual(await keyOf(), await read(key(0)));
  assert.deepEqual(await read(rule.init(w).key), await read(key(0)));
  assert.deepEqual(await keyOf(7), await read(key(7)));
});

test("wrong options are input errors, each naming its option", () => {
  const wrong: readonly (readonly [option: RegExp, options: MergingOptions])[] = [
    [/alpha is -0.1/, { alpha: -0.1 }],
    [/alpha is 1.5/, { alpha: 1.5 }],
    [/alpha is NaN/, { alpha: Number.NaN }],
    [/reserveP is 2/, { reserveP: 2 }],
    [/reserveP is -1/, { reserveP: -1 }],
    [/K is 0/, { onlineStep: 0 }],
    [/K is 1.5/, { onlineStep: 1.5 }],
    [/β1 is 1/, { betas: [1, 0.9] }],
    [/β2 is -1/, { betas: [0.9, -1] }],
    [/ε is -1/, { eps: -1 }],
    [/weight decay is -1/, { weightDecay: -1 }],
    [/preset is "papr"/, { preset: "papr" as "paper" }],
    [/rescaleL1 belongs/, { rescaleL1: true }],
    [/correctBias belongs/, { correctBias: false, preset: "paper" }],
  ];
  for (const rule of [onDare, onTies])
    for (const [message, options] of wrong)
      assert.throws(
        () => rule(options),
        (error) => error instanceof InputError && message.test(error.message),
      );
});

test("trees that do not fit are shape errors that name the parameter", () => {
  const rule = onDare({ alpha: 0.5 });
  const state = rule.init<Weights>({ w: tensor([1, 2]) });
  const [w, tau] = [{ w: tensor([1, 2]) }, { w: tensor([1, 1]) }];
  const refused = (
    grads: Weights,
    inputs: object,
    message: RegExp,
    kind: typeof ShapeError | typeof InputError = ShapeError,
  ) =>
    assert.throws(
      () => rule.update(state, grads, { lr: 1, ...inputs }),
      (error) => error instanceof kind && message.test(error.message),
    );
  refused({ w: tensor([1]) }, { tau }, /onDare: "w": w f32\[2\], gradient f32\[1\], refDelta f32\[2\]/);
  refused(w, { tau: { w: tensor([[1, 1]]) } }, /refDelta f32\[1,2\]/);
  refused({ v: tensor([1, 2]) }, { tau }, /gradient has "v"/);
  refused(w, { tau: { v: tensor([1, 1]) } }, /tau has "v"/);
  refused(w, { tau: {} }, /no tensor of this name/);
  refused(w, {}, /needs tau/, InputError);
  refused(w, { tau, masks: { delta: { w: tensor([true]) } } }, /the delta mask is bool\[1\]/);
});

test("online merging refuses α outside [0, 1] over any base rule", () =>
  assert.throws(
    () => online(adam(), { alpha: 2, delta: (x) => x, tau: (x) => x, tauOnce: true, consensus: (x) => x }),
    InputError,
  ));
