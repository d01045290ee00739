/** Laws of the planner, without any device: plans are interpreted in f64 and must compute what the graph says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import * as t from "../../../core/index.js";
import { inputOp, placeholder } from "../../../core/ops/leaf.js";
import { oneNameEach } from "../../../kernels/plan/names.js";
import { memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { Abilities, Plan } from "../../../kernels/plan/steps.js";
import { type RandomGraph, randomGraphs } from "../../../testing/random-graphs.js";
import { assertClose, reference, run } from "../../close.js";
import { eighths } from "../../generators/generators.js";
import { law } from "../../law.js";

import { fusedNames, interpretPlan } from "./interpret-plan.js";
import { assertFinal, assertSound } from "./sound-plan.js";

/** What devices may say of themselves: few buffers or many, no fused kernels, some, or all. */
const abilities: fc.Arbitrary<Abilities> = fc.record({
  fused: fc.oneof(fc.constant([...fusedNames]), fc.subarray([...fusedNames])).map((names) => new Set(names)),
  maxBuffers: fc.constantFrom(4, 5, 6, 8, 12),
  inPlace: fc.boolean(),
  batches: fc.boolean(),
  largeBatches: fc.boolean(),
  epilogue: fc.boolean(),
});

/** A graph over placeholders; with `slopes` also the gradients of its f32 outputs by its leaves, zeros by what is no float. */
const graphOf = ({ leaves, build }: RandomGraph, slopes: boolean): t.Graph => {
  const inputs = leaves.map(({ x }) => placeholder(x.shape, x.dtype));
  const outputs = build(inputs).map(({ x }) => x);
  if (!slopes) return { inputs, outputs };
  const loss = (stand: t.Tensor[]) => {
    const parts = build(stand).filter(({ x }) => x.dtype === "f32");
    return parts.map(({ x }, i) => t.sum(t.mul(x, eighths(x.shape, i, 1)))).reduce((a, x) => t.add(a, x), t.scalar(0));
  };
  const gradients = t.grad(loss, { allowInt: true })(inputs);
  return { inputs, outputs: [...outputs, ...gradients] };
};

const planned = (name: string, slopes: boolean, numRuns: number) =>
  test(name, async () => {
    await fc.assert(
      fc.asyncProperty(randomGraphs(), abilities, fc.nat(15), async (drawn, able, donation) => {
        const graph = graphOf(drawn, slopes);
        const donated = graph.inputs.flatMap((_, i) => ((donation >> i) % 2 === 1 ? [i] : []));
        const made = plan({ ...graph, donated }, { ...able, round: (x) => x }); // interpretPlan computes in f64
        assertSound(made, able, donated);
        for (const named of [made, oneNameEach(made)]) assertFinal(named);
        const given = drawn.leaves.map(({ x }) => x);
        const got = interpretPlan(
          made,
          given.map((x) => t.constantNumbers(x).data),
        );
        const stands = graph.inputs;
        const f = (stand: t.Tensor[]) => {
          const replaced = new Map(stands.map((x, i) => [x, stand[i]]));
          return t.rewrite(graph.outputs, (x) => replaced.get(x));
        };
        const want = await run(f, [given], reference);
        // Both compute in f64: sums in another order differ by 1e-16 a term, gradients magnify that.
        want.forEach((data, i) => {
          assertClose(got[i].subarray(0, data.length), data, { abs: 1e-11, rel: 1e-9 }, `output ${i}`); // 16 bits: whole words
        });
      }),
      { numRuns },
    );
  });

planned("planned = unplanned, and every plan is sound", false, 700);
planned("planned = unplanned for gradients too", true, 300);

/** What a device would key its caches by: everything but numbers of constants that are buffers. */
const structure = (made: Plan): string =>
  JSON.stringify(made, (key, x) => (key === "data" ? "numbers" : x instanceof Set ? [...x] : x));

test("equal graphs have equal plans, and other numbers do not change a plan", () => {
  fc.assert(
    fc.property(randomGraphs(), abilities, (drawn, able) => {
      const [one, two] = [0, 1].map(() => structure(plan(graphOf(drawn, true), able)));
      assert.equal(one, two);
    }),
    { numRuns: 60 },
  );
});

const able: Abilities = { fused: new Set(), maxBuffers: 8, inPlace: true, batches: true };
const stepsOf = (outputs: t.Tensor[]) => {
  const inputs = t.reachable(outputs).filter(({ op }) => op === inputOp);
  return plan({ inputs, outputs }, able).steps.map(({ kind }) => kind);
};

test("a pointwise run is one kernel; views cost none; a reduction computes its operand on the fly", () => {
  const [x, y] = [placeholder([4, 6], "f32"), placeholder([6], "f32")];
  assert.deepEqual(stepsOf([t.tanh(t.add(t.mul(x, 2), y))]), ["map"]);
  assert.deepEqual(stepsOf([t.sum(t.square(t.sub(x, y)), 1)]), ["reduce"]);
  assert.deepEqual(stepsOf([t.matmul(t.transpose(x), x)]), ["matmul"]);
  assert.deepEqual(stepsOf([t.transpose(t.matmul(x, t.transpose(x)))]), ["matmul"]);
  assert.deepEqual(stepsOf([t.concat([t.exp(x), t.sin(x)], 0)]), ["map"], "parts made of the same memory");
  assert.deepEqual(stepsOf([t.concat([t.exp(x), t.sin(t.broadcastTo(y, [4, 6]))], 0)]), ["map", "map"]);
  assert.deepEqual(stepsOf([t.concat([t.exp(x), t.sin(t.sliceAxis(x, 0, 0, 2))], 0)]), ["map", "map"]);
  const [a, b] = [t.add(x, 1), t.mul(x, 3)];
  assert.deepEqual(stepsOf([a, b, t.add(a, b)]), ["map"], "several outputs of one run");
  assert.deepEqual(stepsOf([t.exp(x), t.exp(x)]), ["map", "map"], "a value twice is computed once and copied");
});

test("what a concat alone reads is computed where it belongs; nothing copies it there", () => {
  const [a, b, ids] = [placeholder([4, 6], "f32"), placeholder([6, 3], "f32"), placeholder([4], "i32")];
  const product = (i: number) => t.matmul(a, t.add(b, i));
  const parts = [product(1), t.softmax(product(2)), t.gather(t.exp(b), ids)];
  const kinds = (outputs: t.Tensor[], epilogue: boolean) => {
    const able: Abilities = {
      ...{ fused: new Set(["softmax"]), maxBuffers: 8, inPlace: true, batches: false },
      epilogue,
    };
    const made = plan({ inputs: [a, b, ids], outputs }, able);
    assertSound(made, able);
    const given = [new Float64Array(24).fill(0.5), Float64Array.from({ length: 18 }, (_, i) => i / 8), [0, 5, 1, 1]];
    const memory = interpretPlan(made, given as t.HostData[]);
    const numbers = outputs.map(({ shape }, i) => [...memory[i]].slice(0, t.sizeOf(shape)));
    return { kinds: made.steps.map(({ kind }) => kind).sort(), numbers };
  };
  for (const epilogue of [false, true]) {
    const { kinds: joined, numbers } = kinds([t.concat(parts, 0)], epilogue);
    const { kinds: apart, numbers: each } = kinds(parts, epilogue);
    assert.deepEqual(joined, apart);
    assert.deepEqual(numbers[0], each.flat());
    const sums = t.concat(parts.map((x) => t.reshape(t.sum(x), [1])));
    assert.deepEqual(kinds([sums], epilogue).kinds.filter((kind) => kind === "reduce").length, parts.length);
    // Read by others too, or beside others in each row: copied.
    assert.deepEqual(kinds([t.concat(parts, 1)], epilogue).kinds.length, apart.length + parts.length);
    const twice = kinds([t.concat(parts.slice(0, 2), 0), parts[0]], epilogue).kinds;
    assert.deepEqual(twice.length, kinds(parts.slice(0, 2), epilogue).kinds.length + 1);
  }
});

test("a product passes through the map that alone reads it, where the device can", () => {
  const [x, w, b, u] = [[4, 6], [6, 4], [4], [2, 2, 4]].map((shape) => placeholder(shape, "f32"));
  const product = t.matmul(x, w);
  const kindsOf = (outputs: t.Tensor[], maxBuffers = 8): string[] => {
    const made = plan({ inputs: [x, w, b, u], outputs }, { ...able, maxBuffers, epilogue: true });
    assertSound(made, { ...able, maxBuffers, epilogue: true });
    return made.steps.map((step) => (step.kind === "matmul" && step.epilogue !== undefined ? "fused" : step.kind));
  };
  assert.deepEqual(kindsOf([t.tanh(t.add(product, b))]), ["fused"]);
  assert.deepEqual(kindsOf([t.add(t.reshape(product, [2, 2, 4]), u)]), ["fused"], "under another shape");
  assert.deepEqual(kindsOf([t.add(product, t.transpose(product))]), ["matmul", "map"], "read across");
  assert.deepEqual(kindsOf([product, t.exp(product)]), ["matmul", "map"], "wanted itself");
  assert.deepEqual(kindsOf([t.exp(product), t.sum(product)]), ["matmul", "map", "reduce"], "read twice");
  assert.deepEqual(kindsOf([t.less(product, b)]), ["matmul", "map"], "not of floats");
  assert.deepEqual(kindsOf([t.add(product, b)], 3), ["matmul", "map"], "too many buffers");
  const gate = t.mul(t.sigmoid(product), t.matmul(x, t.mul(w, 2)));
  assert.deepEqual(kindsOf([gate]), ["matmul", "map", "fused"], "one of two products");
});

test("what a checkpoint computes again is not merged with the first time", () => {
  const [x, w] = [placeholder([4, 6], "f32"), placeholder([6, 3], "f32")];
  const layer = (a: t.Tensor, b: t.Tensor) => t.exp(t.matmul(a, b));
  const products = (f: typeof layer) => {
    const loss = (p: t.Tensor[]) => t.sum(t.square(f(p[0], p[1])));
    const [value, slopes] = t.valueAndGrad(loss)([x, w]);
    return stepsOf([value, ...slopes]).filter((kind) => kind === "matmul").length;
  };
  assert.deepEqual([products(layer), products(t.checkpoint(layer))], [3, 4]);
});

test("planning stays near-linear, and deep graphs do not overflow the stack", () => {
  const chain = (n: number) => {
    let y = placeholder([8], "f32");
    const inputs = [y];
    for (let i = 0; i < n; i++) y = t.sin(t.mul(y, 0.5));
    return { inputs, outputs: [t.sum(y)] };
  };
  const optimizer = (n: number) => {
    const inputs = Array.from({ length: 4 * n }, (_, i) => placeholder([1 + (i >> 2), 3], "f32"));
    const outputs = Array.from({ length: n }, (_, i) => inputs.slice(4 * i, 4 * i + 4)).flatMap(([w, g, m, v]) => {
      const [m2, v2] = [t.lerp(g, m, 0.9), t.lerp(t.square(g), v, 0.99)];
      return [t.sub(w, t.mul(1e-3, t.div(m2, t.add(t.sqrt(v2), 1e-8)))), m2, v2];
    });
    return { inputs, outputs };
  };
  // Of the processor, not of the clock: other tests run beside this one.
  const milliseconds = (graph: t.Graph) => {
    const start = process.cpuUsage();
    plan(graph, able);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
  milliseconds(chain(500)); // warm
  const [short, long] = [chain(2500), chain(10_000)].map(milliseconds);
  // Linear is 4, quadratic 16; the floor forgives the timer and the collector.
  assert.ok(long < 9 * Math.max(short, 100), `chains: ${short} ms, then ${long} ms for four times the nodes`);
  const [few, many] = [optimizer(500), optimizer(2000)].map(milliseconds);
  assert.ok(many < 9 * Math.max(few, 100), `optimizers: ${few} ms, then ${many} ms for four times the leaves`);
  assert.ok(long < 10_000 && many < 10_000, `${long} ms and ${many} ms`);
});

test("memory is known before anything runs, and temporaries share it", () => {
  const x = placeholder([256], "f32");
  let y = x;
  for (let i = 0; i < 20; i++) y = t.mul(t.sum(y), x); // a kernel, then another, each needing the last
  const { inputs, outputs, temporaries } = memoryOf(plan({ inputs: [x], outputs: [y] }, able));
  assert.deepEqual([inputs, outputs], [1024, 1024]);
  assert.ok(temporaries <= 3 * 1024, `${temporaries} bytes of temporaries`);
});

law(
  "results that are inputs, constants, views of either, or each other are fresh buffers",
  fc.constant(0),
  async (_, device) => {
    const x = t.tensor([
      [1, 2],
      [3, 4],
    ]);
    const f = t.compile(
      (a: t.Tensor) => [a, a, t.transpose(a), t.scalar(7), t.iota([3]), t.zeros([0, 2]), t.sum(a)],
      device,
    );
    const out = f(x);
    assert.equal(new Set(out).size, 7);
    const got: number[][] = [];
    for (const part of out) got.push(Array.from(await t.read(part)));
    t.dispose(out);
    assert.deepEqual(got, [[1, 2, 3, 4], [1, 2, 3, 4], [1, 3, 2, 4], [7], [0, 1, 2], [], [10]]);
  },
  { effort: 0.01 },
);
