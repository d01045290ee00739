/** Laws of the memory that a plan takes, without any device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { type Host, type Lifetime, placeTemporaries } from "../../../kernels/plan/memory/memory.js";
import { donorsOf, memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { Abilities, Plan } from "../../../kernels/plan/steps.js";
import { hiddenStates } from "../../../models/index.js";
import { initParams } from "../../../models/init.js";
import { onDare } from "../../../optim/index.js";
import { randomGraphs } from "../../../testing/random-graphs.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { assertSound, viewsOf } from "./sound-plan.js";

/** Narrow kernels, and wide ones that finish a product before it is written. */
const variants = [false, true].map((epilogue): Abilities => {
  return { fused: new Set(), maxBuffers: 16, inPlace: true, batches: !epilogue, epilogue };
});
const named = ({ epilogue }: Abilities) => (epilogue ? "wide" : "narrow");

test("finishing products before they are written costs no more than the largest tensor", () => {
  fc.assert(
    fc.property(randomGraphs(12), fc.nat(15), ({ leaves, build }, donation) => {
      const inputs = leaves.map(({ x }) => placeholder(x.shape, x.dtype));
      const outputs = build(inputs).map(({ x }) => x);
      const donated = inputs.flatMap((_, i) => ((donation >> i) % 2 === 1 ? [i] : []));
      const [without, joined] = variants.map((able) => plan({ inputs, outputs, donated }, { ...able, batches: false }));
      const largest = Math.max(0, ...without.buffers.map(({ bytes }) => bytes));
      const [most, peak] = [memoryOf(without).peak + largest, memoryOf(joined).peak];
      assert.ok(peak <= most, `${peak} bytes, ${most - largest} without, ${largest} the largest`);
    }),
    { numRuns: 300 },
  );
});

/** Values that steps write one after the other, read till later, and memory that is idle for a while. */
const layouts = fc
  .record({
    rows: fc.array(fc.tuple(fc.nat(3), fc.nat(6), fc.nat(400), fc.boolean()), { maxLength: 40 }),
    idle: fc.array(fc.tuple(fc.nat(400), fc.integer({ min: -1, max: 30 }), fc.nat(60)), { maxLength: 4 }),
    unit: fc.constantFrom(4, 2 ** 18), // what is large is laid out in several orders
  })
  .map(({ rows, idle, unit }) => {
    let from = 0;
    const lifetimes: Lifetime[] = [];
    for (const [wait, length, n, inPlace] of rows) {
      from += wait;
      const over = lifetimes.findIndex((x, i) => x.to === from && !lifetimes.some((y) => y.over === i));
      const bytes = over >= 0 && inPlace ? lifetimes[over].bytes : unit * n;
      lifetimes.push({ from, to: from + length, bytes, ...(over >= 0 && inPlace ? { over } : {}) });
    }
    const at = (step: number, end: "from" | "to") => lifetimes.flatMap((x, i) => (x[end] === step ? [i] : []));
    const steps = Array.from({ length: from + 8 }, (_, i) => ({ reads: at(i, "to"), writes: at(i, "from") }));
    const hosts = idle.map(([n, after, length]) => ({ bytes: unit * n, after, before: after + length }));
    return { lifetimes, steps, hosts, unit };
  });

test("what is in use at one time shares no bytes, and no step reads the memory that it writes, but in place", () => {
  fc.assert(
    fc.property(layouts, fc.constantFrom(undefined, 125), fc.constantFrom(0, 64), (drawn, most, padding) => {
      const { lifetimes, steps, hosts, unit } = drawn;
      const slotBytes = most && most * unit;
      const { places, slots } = placeTemporaries(lifetimes, { hosts, steps, slotBytes, padding });
      const same = (i: number, j: number) => places[i].kind === places[j].kind && places[i].index === places[j].index;
      const heads = lifetimes.map((_, i) => i);
      lifetimes.forEach(({ over }, i) => {
        if (over !== undefined) heads[i] = heads[over];
      });
      lifetimes.forEach(({ from, to, bytes, over }, i) => {
        const { kind, index, offset } = places[i];
        assert.ok(offset % 256 === 0 && offset + bytes <= (kind === "slot" ? slots[index] : hosts[index].bytes));
        if (kind === "host") assert.ok(from > hosts[index].after && to < hosts[index].before, "the host is idle");
        if (over !== undefined) assert.deepEqual(places[i], places[over]);
        for (let j = 0; j < i; j++) {
          const apart = lifetimes[j].to < from || to < lifetimes[j].from;
          const [start, end] = [places[j].offset, places[j].offset + lifetimes[j].bytes];
          if (heads[i] !== heads[j] && same(i, j) && !apart)
            assert.ok(end + padding <= offset || offset + bytes + padding <= start, `${i} and ${j} share bytes`);
        }
      });
      for (const { reads, writes } of steps)
        for (const write of writes)
          for (const read of reads) assert.ok(heads[read] === heads[write] || !same(read, write), "one step, one way");
      const largest = Math.max(125 * unit, ...lifetimes.map(({ bytes }) => bytes));
      if (slotBytes !== undefined) assert.ok(slots.every((bytes) => bytes <= largest));
    }),
  );
});

test("a straight chain takes two slots, in place one, none in idle memory, and small values hold no large slot", () => {
  const slotsOf = (lifetimes: readonly Lifetime[], hosts: Host[] = []) => {
    const at = (step: number, end: "from" | "to") => lifetimes.flatMap((x, i) => (x[end] === step ? [i] : []));
    const steps = Array.from({ length: 100 }, (_, i) => ({ reads: at(i, "to"), writes: at(i, "from") }));
    return placeTemporaries(lifetimes, { hosts, steps }).slots;
  };
  const chain = Array.from({ length: 50 }, (_, i) => ({ from: i, to: i + 1, bytes: 2 ** 20 }));
  assert.deepEqual(slotsOf(chain), [2 ** 20, 2 ** 20]);
  assert.deepEqual(slotsOf(chain.map((life, i) => (i === 0 ? life : { ...life, over: i - 1 }))), [2 ** 20]);
  const idle = { bytes: 2 ** 20, after: -1, before: 100 };
  assert.deepEqual(slotsOf(chain, [idle]), [2 ** 20]);
  assert.deepEqual(slotsOf(chain, [idle, idle]), []);
  assert.deepEqual(slotsOf([{ from: 3, to: 9, bytes: 2 ** 20 }], [{ ...idle, after: 3 }]), [2 ** 20]);
  assert.deepEqual(slotsOf([{ from: 3, to: 9, bytes: 2 ** 20, enters: 0 }], [{ ...idle, after: 3 }]), []);
  assert.deepEqual(slotsOf([{ from: 3, to: 9, bytes: 2 ** 20 }], [{ ...idle, before: 9 }]), [2 ** 20]);
  assert.deepEqual(slotsOf([{ from: 3, to: 9, bytes: 2 ** 20, leaves: 0 }], [{ ...idle, before: 9 }]), []);
  const mixed = Array.from({ length: 50 }, (_, i) => [
    { from: i, to: i, bytes: 1000 },
    { from: i, to: 99, bytes: 256 },
  ]).flat();
  const total = slotsOf(mixed).reduce((n, bytes) => n + bytes);
  assert.ok(total <= 1024 + 50 * 256 + 256, `${total} bytes`);
});

/** Most bytes at any step that hold something still to be read, or a result; in place once. */
const inUse = ({ buffers, steps }: Plan, donated: readonly number[]): number => {
  const lives = buffers.map(() => ({ from: steps.length, to: -1 }));
  steps.forEach((step, at) => {
    const { reads, writes } = viewsOf(step);
    for (const { buffer } of [...reads, ...writes]) {
      lives[buffer].from = Math.min(lives[buffer].from, at);
      lives[buffer].to = at;
    }
  });
  const change = new Array<number>(steps.length + 2).fill(0);
  buffers.forEach(({ role, bytes }, i) => {
    const { from, to } = lives[i];
    const stays =
      role.kind === "output" || role.kind === "constant" || (role.kind === "input" && !donated.includes(role.index));
    const isGiven = role.kind === "input" || role.kind === "constant";
    // Not counted in the step that writes it: there it may lie over something else.
    change[isGiven ? 0 : Math.min(from + 1, to)] += bytes;
    if (!stays) change[to + 1] -= bytes;
  });
  let now = 0;
  return Math.max(...change.map((by) => (now += by)));
};

for (const able of variants) {
  test(`an accumulated, checkpointed training step takes 10 % more at most than what it holds (${named(able)})`, () => {
    const config = tinyConfig({ num_hidden_layers: 6, hidden_size: 64, head_dim: 16, intermediate_size: 176 });
    const like = (w: t.Tensor) => placeholder(w.shape, w.dtype);
    const params = t.treeMap(like, initParams(config, t.key(0)));
    const ids = placeholder([8, 64], "i32");
    const loss = (p: typeof params) => t.sum(t.square(hiddenStates(p, config, ids, { checkpoint: true })));
    const slopes = t.leaves(t.grad(loss)(params));
    const carry = slopes.map(like);
    const given = [...t.leaves(params), ids];
    const donated = carry.map((_, i) => given.length + i);
    const outputs = slopes.map((x, i) => t.add(carry[i], x));
    const made = plan({ inputs: [...given, ...carry], outputs, donated }, able);
    const [peak, least] = [memoryOf(made).peak, inUse(made, donated)];
    assert.ok(peak <= 1.1 * least, `${peak} bytes, ${peak / least} of what is in use`);
  });

  test(`a value that an optimizer makes on the way lies in what it was made from (${named(able)})`, () => {
    const leaves = Array.from({ length: 4 }, (_, i) => [0, 1, 2].map(() => placeholder([64, 64 + i], "f32")));
    // The carry is given, the sum of gradients is needed twice: by the norm, and by the update.
    const sums = leaves.map(([, g, carry]) => t.add(g, carry));
    const norm = sums.map((g) => t.sum(t.square(g))).reduce((a, b) => t.add(a, b));
    const outputs = leaves.map(([w], i) => t.sub(w, t.div(sums[i], t.sqrt(norm))));
    const inputs = leaves.flat();
    const donated = inputs.flatMap((_, i) => (i % 3 === 1 ? [] : [i]));
    const made = plan({ inputs, outputs, donated }, able);
    assertSound(made, able, donated);
    const { peak, temporaries, inputs: bytes } = memoryOf(made);
    assert.ok(temporaries < 4096, `${temporaries} bytes beside what is given`);
    assert.equal(peak, bytes + temporaries);
  });

  test(`gradients are added to a donated carry as soon as they are there, in its memory (${named(able)})`, () => {
    const layers = 4;
    const [x, ...weights] = Array.from({ length: layers + 1 }, () => placeholder([260, 260], "f32"));
    const carry = weights.map(({ shape }) => placeholder(shape, "f32"));
    const loss = (ws: t.Tensor[]) => t.sum(t.square(ws.reduce((h, w) => t.matmul(h, w), x)));
    const outputs = t
      .grad(loss)(weights)
      .map((slope, i) => t.add(carry[i], slope));
    const inputs = [x, ...weights, ...carry];
    const donated = carry.map((_, i) => 1 + layers + i);
    const made = plan({ inputs, outputs, donated }, able);
    assertSound(made, able, donated);
    assert.deepEqual(donorsOf(made), new Set(donated));
    const size = 4 * 260 * 260;
    const { temporaries } = memoryOf(made); // what each layer was given, two cotangents, and one product on the way
    assert.ok(temporaries <= (layers + 3) * size, `${temporaries / size} tensors for ${layers} layers`);
  });

  test(`products of a sum do not wait for one another (${named(able)})`, () => {
    const rows = able.epilogue ? 16 : 1024; // a launch a term pays only from a megabyte on
    const pairs = Array.from({ length: 10 }, () => [placeholder([rows, 2], "f32"), placeholder([2, 1024], "f32")]);
    const last = placeholder([1024, 2], "f32");
    const total = pairs.map(([a, b]) => t.matmul(a, b)).reduce((sum, x) => t.add(sum, x));
    const made = plan({ inputs: [...pairs.flat(), last], outputs: [t.matmul(t.exp(total), last)] }, able);
    const { temporaries } = memoryOf(made);
    const size = 4 * rows * 1024;
    assert.ok(temporaries <= 2 * size, `${temporaries / size} tensors`);
  });

  test(`OnDARE's update touches more buffers than a kernel binds: one value passes, of one leaf at a time (${named(able)})`, () => {
    const rule = onDare({ alpha: 1e-6, reserveP: 0.5, storage: "bf16" });
    const given = <T extends t.Tree>(tree: T): T => t.treeMap((x) => placeholder(x.shape, x.dtype), tree);
    const shape = [257, 256]; // too large to wait for its kin
    const params = given(Object.fromEntries(["a", "b", "c"].map((name) => [name, t.zeros(shape)])));
    const half = given(t.treeMap((x) => t.cast(x, "bf16"), params));
    const state = given(rule.init(params, { seed: 1 }));
    const [lr, tau] = [placeholder([], "f32"), given(half)];
    const outputs = t.leaves(rule.update(state, half, { lr, tau }));
    const ours = t.leaves(state);
    const inputs = [...ours, ...t.leaves(half), ...t.leaves(tau), lr];
    const made = plan({ inputs, outputs, donated: ours.map((_, i) => i) }, able);
    const { temporaries } = memoryOf(made);
    const leaf = 4 * 257 * 256;
    assert.ok(temporaries < 1.1 * leaf, `${temporaries / leaf} leaves`);
  });

  test(`a donated weight is written over though a product after its gradient reads it (${named(able)})`, () => {
    const [x, w, y] = Array.from({ length: 3 }, () => placeholder([32, 32], "f32"));
    const slope = t.matmul(t.transpose(x), y);
    const other = t.sum(t.matmul(y, t.transpose(w)));
    const outputs = [t.sub(w, t.mul(0.1, slope)), other]; // the update could run first, and would need memory of its own
    for (const order of [outputs, [...outputs].reverse()]) {
      const made = plan({ inputs: [x, w, y], outputs: order, donated: [1] }, able);
      assertSound(made, able, [1]);
      assert.deepEqual([...donorsOf(made)], [1]);
    }
  });
}

test("gradients added to those carried touch a tied matrix once: by products, and by the rows that were looked up", () => {
  const [V, D, M, columns, tall] = [400, 64, 24, 80, 40];
  const shapes = { E: [V, D], sum: [V, D] };
  const [E, sum] = Object.values(shapes).map((shape) => placeholder(shape, "f32"));
  const [ids, target] = [0, 1].map(() => placeholder([M], "i32"));
  const loss = (w: t.Tensor) =>
    t.sum(t.sliceAxis(t.headScores(t.gather(w, ids), w, target, { rows: 8, columns, tall }), 1, 0, 1));
  const [, grad] = t.valueAndGrad(loss, { onto: sum })(E);
  const able: Abilities = { ...variants[1], fused: new Set(["headScores", "addRows"]) };
  const made = plan({ inputs: [E, sum, ids, target], outputs: [grad], donated: [1] }, able);
  assertSound(made, able, [1]);
  const isLarge = ({ buffer }: { readonly buffer: number }) => made.buffers[buffer].bytes === 4 * V * D;
  const whole = made.steps.flatMap((step) =>
    step.kind !== "matmul" && viewsOf(step).writes.some(isLarge) ? [step] : [],
  );
  assert.deepEqual(
    whole.map((step) => (step.kind === "call" ? step.name : step.kind)),
    ["addRows"],
  );
  const [{ peak }, matrix] = [memoryOf(made), 4 * V * D];
  // The weights, what is carried, the sum that is made beside it, and blocks of logits; with products that wait it is 3.5.
  assert.ok(peak < 3.25 * matrix, `${peak / matrix} matrices`);
});
