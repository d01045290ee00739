import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { placeholder } from "../../core/ops/leaf.js";
import { openCpu } from "../../kernels/index.js";
import { assertClose, reference, run } from "../close.js";
import { eighths, integers, seeds } from "../generators/generators.js";
import { webgpuCheck } from "../kernels/webgpu/webgpu-variants.js";
import { check, law } from "../law.js";

type Step<C extends t.Tree, X extends t.Tree, Y extends t.Tree> = (carry: C, x: X) => readonly [C, Y];

/** The definition: a graph of every step. */
const unrolled = <C extends t.Tree, X extends t.Tree, Y extends t.Tree>(
  f: Step<C, X, Y>,
  init: C,
  xs: X,
  { length, reverse = false }: t.ScanOptions,
): [C, Y] => {
  const n = length as number;
  const rows = Array.from({ length: n }, (_, i) =>
    t.treeMap((x) => t.reshape(t.sliceAxis(x, 0, i, i + 1), x.shape.slice(1)), xs),
  );
  let carry = init;
  const made: Y[] = [];
  for (const row of reverse ? rows.reverse() : rows) {
    const [next, y] = f(carry, row);
    carry = next;
    made.push(y);
  }
  const [first, ...others] = reverse ? made.reverse() : made;
  return [carry, t.treeZip((ys) => t.stack(ys), first, ...others)];
};

interface Weights {
  readonly w: t.Tensor;
  readonly h: t.Tensor;
  readonly x: t.Tensor;
}

const D = 3;
/** A recurrence with all that a scan may have: trees, integers, keys, 16 bits, what surrounds it, and what it does not use. */
const recurrence = ({ w, h, x }: Weights, seed: number, options: t.ScanOptions, walk: typeof t.scan) => {
  const n = options.length as number;
  const double = t.mul(w, 2); // a tensor around the step, with a gradient
  const step = ({ h: [a, b], count, key }: Carry, { x: row, pick, spare }: Row) => {
    const noise = t.sub(t.uniform(t.foldIn(key, count), [D]), 0.5);
    const u = t.tanh(t.add(t.mul(a, double), t.add(t.gather(row, pick), noise)));
    const next = {
      h: [u, t.cast(t.add(b, t.sum(u)), "bf16")] as const,
      count: t.add(count, 1),
      key: t.split(key)[1],
    };
    return [next, { u: t.mul(u, t.cast(count, "f32")), count, b, constant: t.ones([2]), same: double, spare }] as const;
  };
  type Carry = { h: readonly [t.Tensor, t.Tensor]; count: t.Tensor; key: t.Tensor };
  type Row = { x: t.Tensor; pick: t.Tensor; spare: t.Tensor };
  const init = { h: [h, t.cast(t.sum(h), "bf16")] as const, count: t.scalar(0, "i32"), key: t.key(seed) };
  const xs = { x, pick: integers([n], seed, 0, 1), spare: t.iota([n]) };
  return walk(step, init, xs, options);
};

const weights = (seed: number, length: number): Weights => ({
  w: eighths([D], seed, 1),
  h: eighths([D], seed + 1, 1),
  x: eighths([length, 2, D], seed + 2, 1),
});

/** A scalar of all floats in a tree, in which everything weighs something else. */
const weighed = (tree: t.Tree): t.Tensor =>
  t
    .leaves(tree)
    .filter(({ dtype }) => t.isFloating(dtype))
    .map((x, i) => t.sum(t.mul(t.sin(t.cast(x, "f32")), eighths(x.shape, i, 1))))
    .reduce((sum, x) => t.add(sum, x), t.scalar(0));

const everything = (walk: typeof t.scan, seed: number, options: t.ScanOptions) => (given: Weights) => {
  const loss = (p: Weights) => weighed(recurrence(p, seed, options, walk));
  const slope = (p: Weights) => weighed(t.grad(loss)(p));
  return [recurrence(given, seed, options, walk), t.grad(loss)(given), t.grad(slope)(given)] as const;
};

const same = async (seed: number, options: t.ScanOptions, device: t.Device, tolerance: number): Promise<void> => {
  const given = weights(seed, options.length as number);
  const got = await run(everything(t.scan, seed, options), [given], device);
  const want = await run(everything(unrolled as typeof t.scan, seed, options), [given], reference);
  want.forEach((numbers, i) => {
    assertClose(got[i], numbers, { rel: tolerance, abs: tolerance }, `leaf ${i}`);
  });
};

const drawn = fc.tuple(seeds(), fc.integer({ min: 1, max: 7 }), fc.boolean(), fc.integer({ min: 1, max: 8 }));
// bf16 rounds what differs in the last bits of f32 to neighbours 2^-8 apart, so that 32-bit devices are held to that.
for (const [where, tolerance, effort] of [
  ["reference", 1e-12, 0.2],
  ["cpu", 0.02, 0.1],
] as const)
  law(
    "a scan, its gradient and the gradient of that are those of all its steps",
    drawn,
    ([seed, length, reverse, every], device) => same(seed, { length, reverse, every }, device, tolerance),
    { effort, on: [where] },
  );

/** In f32 alone: to its last bits. */
const inF32 = async (device: t.Device): Promise<void> => {
  const of = (walk: typeof t.scan) => (given: Weights) => {
    const step = (c: t.Tensor, row: t.Tensor) => {
      const next = t.tanh(t.add(t.mul(c, given.w), row));
      return [next, t.less(next, 0)] as const;
    };
    const loss = (h: t.Tensor) => t.sum(walk(step, h, given.x, { length: 3, reverse: true, every: 2 })[0]);
    const x = t.sum(given.x, 1);
    return [walk(step, given.h, x, { length: 3, every: 2 }), t.grad(loss)(t.add(t.zeros([2, D]), given.h))] as const;
  };
  const got = await run(of(t.scan), [weights(5, 3)], device);
  (await run(of(unrolled as typeof t.scan), [weights(5, 3)], reference)).forEach((numbers, i) => {
    assertClose(got[i], numbers, { abs: 1e-5 }, `leaf ${i}`);
  });
};
check("a scan and its gradient are those of its steps", inF32, ["cpu"]);
webgpuCheck("a scan and its gradient are those of its steps", inF32);

/** Exponential averages of N rows: as many programs whatever N is. */
const averages = (x: t.Tensor) =>
  t.scan((c: t.Tensor, row: t.Tensor) => [t.add(t.mul(c, 0.5), row), t.mul(c, 2)], t.zeros(x.shape.slice(1)), x);
const slope = (x: t.Tensor) =>
  t.grad((y: t.Tensor) => {
    const [last, ys] = averages(y);
    return t.add(t.sum(last), t.sum(ys));
  })(x);

check("a scan is planned once: 10 000 steps build as many programs as 100, and a second run none", async (device) => {
  const built = async (n: number, f: (x: t.Tensor) => t.Tree): Promise<number> => {
    const before = device.stats().programs;
    const compiled = t.compile(f, device);
    const x = t.upload(t.ones([n, 1]), device);
    const began = performance.now();
    for (let i = 0; i < 2; i++) t.dispose(compiled(x));
    if (n > 100) assert.ok(performance.now() - began < 60_000);
    t.dispose(x);
    for (const program of compiled.programs()) program.free();
    return device.stats().programs - before;
  };
  assert.equal(await built(1024, averages), await built(100, averages));
  if (device.name !== "webgpu") assert.equal(await built(1024, slope), await built(100, slope));
});

check("scans of donated carries and rows hand on numbers, and leave no buffer behind", async (device) => {
  const before = device.stats().liveBuffers;
  const walk = (c: t.Tensor, x: t.Tensor) => {
    const [a, ys] = t.scan((s: t.Tensor, row: t.Tensor) => [t.add(s, row), s], c, x, { every: 2 });
    const [b] = t.scan((s: t.Tensor, row: t.Tensor) => [t.sub(s, row), undefined], a, ys); // of what another gives
    return { next: b, rows: x, twice: b };
  };
  const f = t.compile(walk, device, { donate: [0, 1] });
  const [c, x] = [t.upload(t.tensor([1, 2]), device), t.upload(t.ones([3, 2]), device)];
  const { next, rows, twice } = f(c, x);
  // [4, 5] less what the sums were before each step: [1, 2], [2, 3], [3, 4].
  for (const x_ of [next, twice]) assert.deepEqual(Array.from(await t.read(x_)), [-2, -4]);
  assert.deepEqual(Array.from(await t.read(rows)), Array(6).fill(1));
  await assert.rejects(t.read(c), t.OwnershipError);
  t.dispose(next, rows, twice);
  assert.equal(device.stats().liveBuffers, before);
  for (const program of f.programs()) program.free();
});

test("a scan of 10 000 steps is planned in milliseconds, and takes the memory of its rows, with gradient of √10 000 carries", async () => {
  const cpu = await openCpu();
  const [n, width] = [10_000, 16];
  const graph = (f: (x: t.Tensor) => t.Tree): t.Graph => {
    const x = placeholder([n, width], "f32");
    return { inputs: [x], outputs: t.leaves(f(x)) };
  };
  const began = performance.now();
  const forward = cpu.plan(graph((x) => averages(x)[0]));
  const backward = cpu.plan(graph(slope));
  const spent = performance.now() - began; // about 40 ms, on a machine that may be busy
  assert.ok(spent < 4000, `${spent} ms`);
  const rows = 4 * n * width;
  assert.equal(forward.memory.inputs, rows);
  assert.ok(forward.memory.peak < 1.1 * rows, `${forward.memory.peak}`);
  // The rows and their cotangents, and no carry of every step.
  assert.ok(backward.memory.peak < 2.2 * rows, `${backward.memory.peak / rows}`);
  // And what is planned is what is taken.
  const before = cpu.stats().peakBytes;
  const compiled = t.compile(slope, cpu);
  t.dispose(compiled(t.zeros([n, width])));
  const [{ memory }] = compiled.programs();
  const taken = cpu.stats().peakBytes - before;
  assert.ok(taken < 1.05 * memory.peak + 65_536 && taken > 0.95 * memory.peak, `${taken} of ${memory.peak}`);
  await cpu.close();
});
