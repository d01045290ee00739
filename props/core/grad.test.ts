/** Gradients: vjp = finite difference for every op, and again for the gradient itself. On the reference device, in f64. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { vjpOf } from "../../core/transforms/grad.js";
import { agreesWithDifferences, pulled } from "../../testing/op-laws.js";
import { assertClose, reference, run } from "../close.js";
import { distinct, eighths, seeds, shapes } from "../generators/generators.js";
import { cases } from "../generators/grad-cases.js";
import { check, law } from "../law.js";

for (const [name, draw] of Object.entries(cases))
  law(
    `${name}: vjp = finite difference, and so for its gradient`,
    fc.tuple(draw, seeds()),
    async ([{ f, args }, seed]) => {
      await agreesWithDifferences(f, args, seed);
      await agreesWithDifferences((...x) => pulled(f, x, seed + 5), args, seed);
    },
    { on: ["reference"], effort: 0.35 },
  );

/** Exports that no gradient flows through, or that are no functions of tensors. */
const without = {
  piecewiseConstant: [
    "sign",
    "floor",
    "round",
    "topkMask",
    "less",
    "lessEqual",
    "equal",
    "greater",
    "greaterEqual",
    "stopGradient",
  ],
  otherDtypes: [
    "and",
    "or",
    "not",
    "iota",
    "randomBits",
    "unitInterval",
    "bits",
    "bernoulli",
    "uniform",
    "normal",
    "key",
  ],
  keys: ["split", "foldIn", "foldInEach", "foldInName", "namesAsData"],
  // Its gradient is its function's, block by block: props/core/in-blocks.test.ts.
  blocks: ["inBlocks"],
  // The gradient passes rounding by, which no difference quotient shows: props/core/half.test.ts.
  rounding: ["roundRandom"],
  constants: ["tensor", "scalar", "full", "ones", "zeros", "zerosLike", "constantData", "constantNumbers", "hostArray"],
  dtypes: ["byteLength", "bytesOf", "isFloating", "isHalf", "numbersOf"],
  halves: ["decodeHalves", "encodeHalves", "floatToHalf", "halfToFloat"],
  trees: ["treeMake", "leaves", "namedLeaves", "treeKey", "treeMap", "treeZip", "unflatten"],
  programs: [
    "compile",
    "evaluate",
    "read",
    "upload",
    "dispose",
    "disposable",
    "deviceOf",
    "download",
    "evaluateEach",
    "isConcrete",
    "item",
    "print",
    "scope",
    "tellForgotten",
    "toArray",
  ],
  graphs: ["expand", "rewrite", "reachable", "isTensor", "printGraph", "callOf", "typeOf"],
  shapes: ["broadcastShapes", "sameShape", "sizeOf", "stridesOf"],
  numbers: ["erfOf", "threefryBits"],
  errors: ["DeviceError", "DeviceLostError", "InputError", "OutOfMemoryError", "OwnershipError", "ShapeError"],
};

test("no export is forgotten: each has a gradient law or is listed as having none", () => {
  const listed = Object.values(without).flat();
  assert.deepEqual(Object.keys(t).sort(), [...Object.keys(cases), ...listed].sort());
});

test("no gradient rule is forgotten: every record with a vjp that the cases reach has its own case", () => {
  const reached = new Set<string>();
  for (const draw of Object.values(cases))
    for (const { f, args } of fc.sample(draw, { numRuns: 8, seed: 1 })) {
      let graph: t.Tensor[] = [f(...args), pulled(f, args, 1), pulled((...x) => pulled(f, x, 1), args, 2)];
      const note = () => {
        for (const { op } of t.reachable(graph)) if (op.vjp !== undefined) reached.add(op.name);
      };
      for (note(); t.reachable(graph).some((x) => x.op.expand !== undefined); note())
        graph = t.rewrite(graph, (x, inputs) => x.op.expand?.(x, inputs));
    }
  const markers = ["variable", "after", "sinTimes", "inBlocks", "keptScores"]; // in-blocks.test.ts; headScores of few rows
  const unknown = [...reached].filter((name) => {
    const base = name.replace(/\.vjp$/, "");
    return !(base in cases) && !markers.includes(base);
  });
  assert.deepEqual(unknown, []);
  // Pointwise records, at least, are all there: the law above is not empty.
  for (const name of ["exp", "where", "max", "matmul", "attention.vjp", "checkpoint"])
    assert.ok(reached.has(name), name);
});

const gradientOf = async (f: (x: t.Tensor) => t.Tensor, x: t.Tensor): Promise<number[]> =>
  Array.from((await run((y: t.Tensor) => t.grad(f)(y), [x], reference))[0]);

test("ties: equal elements share the cotangent of max, maximum and minimum; abs is flat at 0", async () => {
  assert.deepEqual(await gradientOf((x) => t.max(x), t.tensor([2, 1, 2, 2, 2])), [0.25, 0, 0.25, 0.25, 0.25]);
  assert.deepEqual(
    await gradientOf(
      (x) => t.sum(t.max(x, 1)),
      t.tensor([
        [1, 1],
        [1, 1],
      ]),
    ),
    [0.5, 0.5, 0.5, 0.5],
  );
  const y = t.tensor([1, 2, 3]);
  assert.deepEqual(await gradientOf((x) => t.sum(t.maximum(x, y)), t.tensor([1, 3, 0])), [0.5, 1, 0]);
  assert.deepEqual(await gradientOf((x) => t.sum(t.minimum(x, y)), t.tensor([1, 3, 0])), [0.5, 0, 1]);
  assert.deepEqual(await gradientOf((x) => t.sum(t.maximum(x, x)), t.tensor([1, 3])), [1, 1]);
  assert.deepEqual(await gradientOf((x) => t.sum(t.abs(x)), t.tensor([-2, 0, 2])), [-1, 0, 1]);
});

law(
  "max of ties, half of them equal: the central difference of two tied maxima is their mean",
  fc.tuple(fc.integer({ min: 2, max: 5 }), seeds()),
  async ([n, seed]) => {
    const x = distinct([n], seed);
    await agreesWithDifferences((y) => t.max(t.concat([y, y], 0)), [x], seed);
    await agreesWithDifferences((y, z) => t.sum(t.max(t.stack([y, z], 0), 0)), [x, x], seed);
    await agreesWithDifferences((y, z) => t.maximum(y, z), [x, x], seed);
  },
  { on: ["reference"] },
);

check("where: the branch not taken gives a zero cotangent, even where its value is infinite", async (device) => {
  const safe = (x: t.Tensor) => t.sum(t.where(t.less(0, x), t.sqrt(t.where(t.less(0, x), x, 1)), 0));
  const [gradient] = await run((x: t.Tensor) => t.grad(safe)(x), [t.tensor([-1, 0, 4])], device);
  assertClose(gradient, [0, 0, 0.25], { abs: 1e-6 });
  // An infinite cotangent (√ at 0) stops at the choice as well.
  const inner = (x: t.Tensor) => t.sum(t.sqrt(t.where(t.less(0, x), x, 0)));
  const [stopped] = await run((x: t.Tensor) => t.grad(inner)(x), [t.tensor([-1, 0, 4])], device);
  assertClose(stopped, [0, 0, 0.25], { abs: 1e-6 });
  // Cotangents of the branch itself are zeros: 0 · finite.
  const branch = (x: t.Tensor) => t.sum(t.where(t.less(x, 1), x, t.exp(x)));
  const [other] = await run((x: t.Tensor) => t.grad(branch)(x), [t.tensor([-1, 0, 2])], device);
  assertClose(other, [1, 1, Math.exp(2)], { rel: 1e-6 });
});

law(
  "inputs unused, stopped, integer or used twice: zeros, zeros, zeros, and the sum of both uses",
  fc.tuple(shapes(), seeds()),
  async ([shape, seed], device) => {
    const x = eighths(shape, seed);
    const y = eighths(shape, seed + 1);
    const f = (p: { x: t.Tensor; y: t.Tensor; unused: t.Tensor }) =>
      t.sum(t.add(t.mul(p.x, p.x), t.mul(t.stopGradient(p.x), t.mul(p.y, t.floor(p.y)))));
    const tree = { x, y, unused: t.tensor([1, 1]) };
    const [dx, dy, unused] = await run(
      (p: typeof tree) => {
        const g = t.grad(f)(p);
        return [g.x, g.y, g.unused];
      },
      [tree],
      device,
    );
    const [wantX, wantY] = await run(() => [t.mul(2, x), t.mul(x, t.floor(y))], [], reference);
    assertClose(dx, wantX, {});
    assertClose(dy, wantY, {});
    assertClose(unused, [0, 0], {});
    // Captured, not passed: a constant.
    const [captured] = await run((z: t.Tensor) => t.grad((w: t.Tensor) => t.sum(t.mul(w, x)))(z), [x], device);
    assertClose(captured, t.constantData(x).data, {});
  },
  { effort: 0.25 },
);

test("integer leaves are refused, or allowed get zeros of their dtype; a pullback takes several cotangents", async () => {
  const p = { ids: t.tensor([0, 1], [2], "i32"), table: t.ones([2, 3]) };
  const f = (q: typeof p) => t.sum(t.gather(q.table, q.ids));
  for (const call of [() => t.grad(f)(p), () => t.valueAndGrad(f)(p)])
    assert.throws(call, /^ShapeError: (grad|valueAndGrad): the argument is i32\[2\] at "ids", and gradients/);
  const g = t.grad(f, { allowInt: true })(p);
  assert.equal(g.ids.dtype, "i32");
  assert.deepEqual(g.ids.shape, [2]);
  const [value, back] = t.vjp((x: t.Tensor) => ({ a: t.mul(x, 2), b: t.mul(x, x) }), t.tensor([1, 3]));
  assert.deepEqual(Object.keys(value), ["a", "b"]);
  const [ct] = await run(() => back({ a: t.tensor([1, 1]), b: t.tensor([10, 10]) }), [], reference);
  assert.deepEqual(Array.from(ct), [22, 62]);
});

test("gradients of deep chains do not overflow the stack", async () => {
  const deep = (x: t.Tensor) => {
    let y = x;
    for (let i = 0; i < 10_000; i++) y = t.sin(t.add(y, x));
    return t.sum(y);
  };
  const [g] = await run(() => t.grad(deep)(t.tensor([0.5])), [], reference);
  assert.ok(Number.isFinite(g[0]));
  assert.equal(vjpOf([t.scalar(1)], [t.scalar(1)], []).length, 0);
});

law(
  "checkpoint: the numbers do not change, and the backward pass computes f again",
  fc.tuple(shapes({ low: 1 }), seeds()),
  async ([shape, seed], device) => {
    const f = (x: t.Tensor, w: t.Tensor) => t.sin(t.mul(t.exp(x), w));
    const loss = (g: typeof f) => (p: t.Tensor[]) => t.sum(t.square(g(p[0], p[1])));
    const p = [eighths(shape, seed, 1), eighths(shape, seed + 1, 1)];
    const plain = await run((q: t.Tensor[]) => t.valueAndGrad(loss(f))(q), [p], device);
    const again = await run((q: t.Tensor[]) => t.valueAndGrad(loss(t.checkpoint(f)))(q), [p], device);
    plain.forEach((data, i) => {
      assertClose(again[i], data, { rel: 1e-6, abs: 1e-6 });
    });
    const exps = (g: typeof f) =>
      t.reachable(t.expand(t.leaves(t.grad(loss(g))(p)))).filter((x) => x.op.name === "exp").length;
    assert.deepEqual([exps(f), exps(t.checkpoint(f))], [1, 2]);
  },
  { effort: 0.25 },
);
