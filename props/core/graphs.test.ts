/** Devices agree on random graphs: each output within the error that its own operations allow, integers exactly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { type RandomGraph, randomGraphs } from "../../testing/random-graphs.js";
import { assertClose, reference, run } from "../close.js";
import { eighths } from "../generators/generators.js";
import { check, law } from "../law.js";

const agreesOn = async ({ leaves, build }: RandomGraph, device: t.Device): Promise<void> => {
  const given = leaves.map(({ x }) => x);
  const f = (stand: t.Tensor[]) => build(stand).map(({ x }) => x);
  const [got, want] = [await run(f, [given], device), await run(f, [given], reference)];
  build(given).forEach(({ x, error }, i) => {
    assertClose(got[i], want[i], { abs: error }, `output ${i} ${t.typeOf(x)}`);
  });
};

law("random graphs: the device agrees with the reference", randomGraphs(), agreesOn, { effort: 5, on: ["cpu"] });
law("random graphs: the device agrees with the reference", randomGraphs(), agreesOn, { effort: 2, on: ["webgpu"] });

/** Gradients of a weighted sum of the f32 outputs by the f32 leaves. */
const slopesOf =
  ({ build }: RandomGraph) =>
  (stand: t.Tensor[]): t.Tensor[] =>
    t.grad((floats: t.Tensor[]) => {
      const rest = [...floats];
      const parts = build(stand.map((x) => (x.dtype === "f32" ? (rest.shift() as t.Tensor) : x)));
      return parts
        .filter(({ x }) => x.dtype === "f32")
        .map(({ x }, i) => t.sum(t.mul(x, eighths(x.shape, i, 1))))
        .reduce((sum, x) => t.add(sum, x), t.scalar(0));
    })(stand.filter(({ dtype }) => dtype === "f32"));

law(
  "gradients of random graphs: the device agrees with the reference",
  randomGraphs(8),
  async (graph, device) => {
    const given = graph.leaves.map(({ x }) => x);
    const f = slopesOf(graph);
    const [got, want] = [await run(f, [given], device), await run(f, [given], reference)];
    // No bound is carried along here. 3 000 graphs kept within 1e-4; a wrong rule or kernel is off by a number's own size.
    want.forEach((data, i) => {
      assertClose(got[i], data, { rel: 1e-3, abs: 1e-3 }, `gradient ${i}`);
    });
  },
  { on: ["cpu", "webgpu"] },
);

test("random graphs reach every op and every dtype, with empty, size-1 and permuted axes, and exact and rounded values", () => {
  const seen = new Set<string>();
  let [exact, rounded, bits] = [0, 0, 0];
  for (const { leaves, build } of fc.sample(randomGraphs(), { numRuns: 800, seed: 1 })) {
    const outputs = build(leaves.map(({ x }) => x));
    for (const { x, error } of outputs)
      if (x.dtype !== "f32") bits++;
      else if (error === 0) exact++;
      else rounded++;
    for (const x of t.reachable(t.expand(outputs.map((o) => o.x)))) {
      seen.add(x.op.name);
      seen.add(x.dtype);
      if (t.sizeOf(x.shape) === 0) seen.add("empty");
    }
    for (const { x } of outputs) for (const y of t.reachable([x])) seen.add(y.op.name);
    assert.ok(
      outputs.every(({ bound, error }) => Number.isFinite(bound) && error < 1),
      "errors stay small",
    );
  }
  const wanted =
    "neg abs sign floor exp log sqrt rsqrt sin cos tanh erf sigmoid softplus add sub mul div maximum minimum less \
lessEqual equal and or not where cast iota randomBits unitInterval sum max reshape permute broadcastTo slice pad concat matmul gather scatterAdd \
topkMask stopGradient checkpoint softmax rmsnorm rope attention crossEntropy swiglu roundRandom f32 bf16 f16 i32 u32 bool empty";
  assert.deepEqual(
    wanted.split(" ").filter((name) => !seen.has(name)),
    [],
  );
  for (const count of [exact, rounded, bits]) assert.ok(count > 200, `${[exact, rounded, bits]}`);
});

law(
  "random graphs: the numbers are data (a second call with other numbers, on the same program)",
  fc.tuple(randomGraphs(6), fc.nat(999)),
  async ([{ leaves, build }], device) => {
    const f = t.compile((stand: t.Tensor[]) => build(stand).map(({ x }) => x), device);
    const first = leaves.map(({ x }) => x);
    const second = first.map((x) => {
      const { data, shape, dtype } = t.constantData(x);
      return t.tensor(data.slice().reverse(), shape, dtype);
    });
    for (const given of [first, second, first]) {
      const out = f(given);
      const got: t.HostData[] = [];
      for (const x of out) got.push(await t.read(x));
      t.dispose(out);
      const want = await run((stand: t.Tensor[]) => build(stand).map(({ x }) => x), [given], reference);
      build(given).forEach(({ error }, i) => {
        assertClose(got[i], want[i], { abs: error }, `output ${i}`);
      });
    }
    assert.equal(f.programs().length, 1);
    for (const program of f.programs()) program.free();
  },
  { effort: 0.5 },
);

check("a graph of 10 000 nodes: built, differentiated, planned and run without a stack overflow", async (device) => {
  const deep = (x: t.Tensor) => {
    let y = x;
    for (let i = 0; i < 2500; i++) y = t.add(t.mul(y, 0.5), x);
    return y;
  };
  const [value, slope] = await run(
    (x: t.Tensor) => [deep(x), t.grad((y: t.Tensor) => t.sum(deep(y)))(x)],
    [t.tensor([1, -2, 3])],
    device,
  );
  assertClose(value, [2, -4, 6], { rel: 1e-5 });
  assertClose(slope, [2, 2, 2], { rel: 1e-5 });
});
