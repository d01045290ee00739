/** Laws of donated inputs: their memory becomes the outputs', and no number changes for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { donorsOf, memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { Abilities } from "../../../kernels/plan/steps.js";
import { adamW, type OptimizerState } from "../../../optim/index.js";
import { randomGraphs } from "../../../testing/random-graphs.js";
import { eighths } from "../../generators/generators.js";
import { partsAreTheCall, taken } from "../../generators/in-parts.js";
import { check, law } from "../../law.js";
import { assertSound } from "./sound-plan.js";

type Weights = { readonly w: t.Tensor; readonly v: t.Tensor };

const able: Abilities = { fused: new Set(), maxBuffers: 8, inPlace: true, batches: true };

test("a donated state needs no second copy: the peak of an optimizer step is its arguments", () => {
  const params = Array.from({ length: 5 }, (_, i) => placeholder([8 + i, 16], "f32"));
  const like = () => params.map(({ shape }) => placeholder(shape, "f32"));
  const [grads, m, v] = [like(), like(), like()];
  const outputs = params.flatMap((w, i) => {
    const [next, square] = [t.lerp(grads[i], m[i], 0.9), t.lerp(t.square(grads[i]), v[i], 0.99)];
    return [t.sub(w, t.div(next, t.add(t.sqrt(square), 1e-8))), next, square];
  });
  const state = [...params, ...m, ...v];
  const graph = { inputs: [...state, ...grads], outputs };
  const donated = state.map((_, i) => i);
  const [kept, given] = [plan(graph, able), plan({ ...graph, donated }, able)].map(memoryOf);
  assert.deepEqual([kept.temporaries, given.temporaries], [0, 0]);
  assert.equal(kept.peak, kept.inputs + kept.outputs);
  assert.equal(given.peak, given.inputs);
  // Without writing in place only memory that was read before can be handed on: here all is read by the writing step.
  const separate = plan({ ...graph, donated }, { ...able, inPlace: false });
  assert.equal(donorsOf(separate).size, 0);
});

test("donated memory is handed on only after its last reader, and only to outputs of its size", () => {
  const [x, y] = [placeholder([4, 4], "f32"), placeholder([4, 4], "f32")];
  const donorsIn = (outputs: t.Tensor[]) => [...donorsOf(plan({ inputs: [x, y], outputs, donated: [0] }, able))];
  assert.deepEqual(donorsIn([t.add(x, y)]), [0]);
  assert.deepEqual(donorsIn([t.add(t.transpose(x), y)]), [], "read across what is written");
  assert.deepEqual(donorsIn([t.add(x, t.transpose(x))]), [], "read twice, once across");
  assert.deepEqual(donorsIn([t.matmul(x, y)]), [], "a product reads while it writes");
  assert.deepEqual(donorsIn([t.exp(t.matmul(x, y))]), [0], "read by an earlier step");
  assert.deepEqual(donorsIn([t.sum(x, 0)]), [], "another size");
  assert.deepEqual(donorsIn([t.mul(y, 2)]), [0], "never read");
});

test("a donated input that is returned stays where it is, even if others read it", () => {
  const [x, y] = [placeholder([4, 4], "f32"), placeholder([4, 4], "f32")];
  const planned = (outputs: t.Tensor[]) => {
    const made = plan({ inputs: [x, y], outputs, donated: [0] }, able);
    assertSound(made, able, [0]);
    return [made.steps.length, [...donorsOf(made)]];
  };
  assert.deepEqual(planned([x]), [0, [0]]);
  assert.deepEqual(planned([t.reshape(x, [16])]), [0, [0]], "under another shape");
  assert.deepEqual(planned([t.add(x, y), x]), [1, [0]], "what is kept is not written over");
  assert.deepEqual(planned([x, x]), [1, [0]], "the second is a copy");
  assert.deepEqual(planned([t.transpose(x)]), [1, []], "in another order");
  assert.deepEqual(planned([y]), [1, [0]], "what was not donated is copied");
});

test("a dying intermediate value is written over", () => {
  const [x, w, u] = [
    [8, 8],
    [8, 8],
    [8, 1],
  ].map((shape) => placeholder(shape, "f32"));
  const h = t.matmul(x, w);
  const outputs = [t.matmul(t.tanh(h), u)];
  const [separate, inPlace] = [false, true].map((can) =>
    memoryOf(plan({ inputs: [x, w, u], outputs }, { ...able, inPlace: can })),
  );
  assert.deepEqual([separate.temporaries, inPlace.temporaries], [512, 256]);
});

test("of two values that one map writes, one lies over the dying operand", () => {
  const [x, w] = [placeholder([8, 8], "f32"), placeholder([8, 8], "f32")];
  const h = t.matmul(x, w);
  const both = t.exp(h);
  const made = plan({ inputs: [x, w], outputs: [t.matmul(both, t.sin(both))] }, able);
  assert.equal(made.steps.length, 3);
  assertSound(made, able);
  assert.equal(memoryOf(made).temporaries, 2 * 256);
});

law(
  "donating changes no bit, nor do parts, and the books come out even",
  fc.tuple(randomGraphs(8), fc.nat(15)),
  async ([{ leaves, build }, donation], device) => {
    const before = device.stats();
    const f = (mine: t.Tensor[], yours: t.Tensor[]) => {
      const [given, kept] = [[...mine], [...yours]];
      return build(leaves.map((_, i) => ((donation >> i) % 2 ? given : kept).shift() as t.Tensor)).map(({ x }) => x);
    };
    const numbers: t.HostData[][] = [];
    for (const donate of [[], [0]]) {
      const step = t.compile(f, device, { donate });
      for (let round = 0; round < 2; round++) {
        const args = [1, 0].map((bit) =>
          t.upload(
            leaves.flatMap(({ x }, i) => ((donation >> i) % 2 === bit ? [x] : [])),
            device,
          ),
        );
        const out = round === 0 ? step(args[0], args[1]) : (await taken(step.inParts(1, args[0], args[1]))).result;
        numbers.push(await Promise.all(out.map(t.read)));
        t.dispose(out, args);
      }
      for (const program of step.programs()) program.free();
    }
    for (const other of numbers.slice(1)) assert.deepEqual(other, numbers[0]);
    const after = device.stats();
    assert.deepEqual([after.liveBuffers, after.liveBytes], [before.liveBuffers, before.liveBytes]);
  },
);

check("a call in parts is the call", partsAreTheCall);

check("a donated tensor that comes twice, or was captured, is not written over", async (device) => {
  const before = device.stats().liveBuffers;
  const x = t.upload(t.tensor([1, 2]), device);
  const captured = t.upload(t.tensor([5, 6]), device);
  const f = t.compile(
    (p: t.Tensor, q: t.Tensor) => {
      const first = t.mul(p, 2);
      return [first, t.matmul(t.reshape(q, [1, 2]), t.reshape(t.mul(captured, first), [2, 1]))];
    },
    device,
    { donate: [0], name: "f" },
  );
  const twice = f(x, x);
  assert.deepEqual(Array.from(await t.read(twice[1])), [1 * 5 * 2 + 2 * 6 * 4]);
  const itself = f(captured, t.tensor([1, 1]));
  assert.deepEqual(Array.from(await t.read(itself[1])), [5 * 10 + 6 * 12]);
  assert.throws(() => f(captured, t.tensor([1, 1])), /OwnershipError: .*f32\[2\] was donated to f\(…\), argument 0/);
  t.dispose(twice, itself);
  assert.equal(device.stats().liveBuffers, before);
  for (const program of f.programs()) program.free();
});

check("training with a donated state takes no memory but the state", async (device) => {
  const rule = adamW();
  const start: Weights = { w: eighths([64, 16], 1), v: eighths([16], 2) };
  const step = t.compile(
    (state: OptimizerState<Weights>, grads: Weights) => rule.update(state, grads, { lr: 0.1 }),
    device,
    { donate: [0] },
  );
  let state = t.evaluate(rule.init(start), device);
  const grads = t.upload(start, device);
  const sizes: number[] = [];
  for (let i = 0; i < 3; i++) {
    state = step(state, grads);
    sizes.push(device.stats().liveBytes);
  }
  assert.deepEqual(sizes, [sizes[0], sizes[0], sizes[0]]);
  const [program] = step.programs();
  // The key and the step number are read by many steps; all that is large is written in place.
  if (device.name !== "reference")
    assert.ok(program.memory.peak < program.memory.inputs + 1024, `${program.memory.peak}`);
  t.dispose(state, grads);
  program.free();
});
