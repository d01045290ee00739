/** Laws of compiled functions: the second step builds nothing, numbers are data, and no call leaks a buffer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as t from "../../core/index.js";
import { assertClose, reference, run } from "../close.js";
import { eighths } from "../generators/generators.js";
import { check } from "../law.js";

const read = async (x: t.Tensor): Promise<number[]> => Array.from(await t.read(x));

/** A small network with a gradient and an update: what a training step is made of. */
type Weights = { readonly w: t.Tensor; readonly v: t.Tensor };
type State = Weights & { readonly m: Weights };
const trainingStep = (state: State, x: t.Tensor, y: t.Tensor, step: t.Tensor, k: t.Tensor) => {
  const params = { w: state.w, v: state.v };
  const [loss, g] = t.valueAndGrad((p: typeof params) => {
    const hidden = t.tanh(t.matmul(x, p.w));
    const kept = t.where(t.bernoulli(t.foldIn(k, t.cast(step, "i32")), 0.75, hidden.shape), hidden, 0);
    return t.mean(t.square(t.sub(t.matmul(kept, p.v), y)));
  })(params);
  const rate = t.div(0.25, t.sqrt(t.add(step, 1)));
  const m = t.treeZip(([a, b]) => t.lerp(b, a, 0.5), state.m, g);
  const next = t.treeZip(([p, d]) => t.sub(p, t.mul(rate, d)), params, m);
  return { state: { ...next, m }, loss };
};
const startingState = (): State => ({
  w: eighths([3, 4], 1, 1),
  v: eighths([4, 2], 2, 1),
  m: { w: eighths([3, 4], 3, 0), v: eighths([4, 2], 4, 0) },
});

const losses = async (device: t.Device, steps: number, watch?: (step: number) => void): Promise<number[]> => {
  const f = t.compile(trainingStep, device, { donate: [0], name: "step" });
  let state = t.upload(startingState(), device);
  const out: number[] = [];
  for (let step = 0; step < steps; step++) {
    const next = f(state, eighths([5, 3], step), eighths([5, 2], step + 100), step, t.key(7));
    out.push((await read(next.loss))[0]);
    t.dispose(next.loss);
    state = next.state;
    watch?.(step);
  }
  t.dispose(state);
  for (const program of f.programs()) program.free();
  return out;
};

check("the second step compiles nothing, plans nothing, and no step leaks a buffer", async (device) => {
  const before = device.stats();
  const seen: t.DeviceStats[] = [];
  const got = await losses(device, 6, () => seen.push(device.stats()));
  for (const later of seen.slice(1)) {
    const first = seen[0];
    assert.deepEqual(
      [later.programs, later.kernels, later.liveBuffers],
      [first.programs, first.kernels, first.liveBuffers],
    );
    assert.equal(later.liveBytes, first.liveBytes);
  }
  assert.equal(seen[0].programs, before.programs + 1);
  assert.ok(seen[5].launches > seen[0].launches);
  assert.equal(device.stats().liveBuffers, before.liveBuffers, "all given back");
  assert.equal(device.stats().liveBytes, before.liveBytes);
  assertClose(got, await losses(reference, 6), { rel: 1e-5 });
});

check("the same step on a fresh program needs no new kernel", async (device) => {
  await losses(device, 1);
  const before = device.stats();
  await losses(device, 1);
  assert.equal(device.stats().kernels, before.kernels);
});

check("numbers are data: one program for all of them; other shapes, dtypes and trees get their own", async (device) => {
  const f = t.compile((x: t.Tensor, p: { a: t.Tensor }) => t.add(t.mul(x, p.a), 1), device);
  for (const [x, a] of [
    [2, 3],
    [0.5, -4],
    [0, 0],
  ]) {
    const out = f(x, { a });
    assert.deepEqual(await read(out), [x * a + 1]);
    t.dispose(out);
  }
  assert.equal(f.programs().length, 1);
  const other = f(t.tensor([1, 2]), { a: 2 });
  assert.deepEqual(await read(other), [3, 5]);
  assert.equal(f.programs().length, 2);
  t.dispose(other, f(t.tensor([3, 4]), { a: t.tensor(5) }));
  assert.equal(f.programs().length, 2);
  for (const program of f.programs()) program.free();
});

check("captured tensors are bound at each call; a disposed one is refused then", async (device) => {
  const w = t.upload(t.tensor([1, 2]), device);
  const f = t.compile((x: t.Tensor) => t.mul(x, w), device, { name: "scaled" });
  for (const x of [3, 4]) {
    const out = f(x);
    assert.deepEqual(await read(out), [x, 2 * x]);
    t.dispose(out);
  }
  const g = t.evaluate(t.grad((p: t.Tensor) => t.sum(t.mul(p, w)))(t.tensor([5, 6])), device);
  assert.deepEqual(await read(g), [1, 2]);
  t.dispose(g, w);
  assert.throws(() => f(1), /OwnershipError: scaled: this f32\[2\] was disposed of by dispose/);
  for (const program of f.programs()) program.free();
});

check("what only a checkpointed function captured is bound at each call as well", async (device) => {
  const w = t.upload(t.tensor([1, 2]), device);
  const scaled = t.checkpoint((x: t.Tensor) => t.exp(t.mul(x, w)));
  const f = t.compile((x: t.Tensor) => scaled(t.add(x, 1)), device);
  const [out, once] = [f(t.tensor([-1, -1])), t.evaluate(scaled(t.zeros([2])), device)];
  assertClose(await t.read(out), [1, 1], {});
  assertClose(await t.read(once), [1, 1], {});
  t.dispose(out, once, w);
  assert.throws(() => f(t.tensor([0, 0])), t.OwnershipError);
  for (const program of f.programs()) program.free();
});

check("an argument that was kept from another function's trace is refused", async (device) => {
  let kept = t.scalar(0);
  const f = t.compile((x: t.Tensor) => {
    kept = x;
    return t.mul(x, 2);
  }, device);
  t.dispose(f(t.tensor([1, 2])));
  const g = t.compile((y: t.Tensor) => t.add(y, kept), device, { name: "sum" });
  assert.throws(() => g(t.tensor([1, 2])), /OwnershipError: sum\(…\): uses f32\[2\], an argument of another function/);
  assert.throws(() => t.evaluate(kept, device), t.OwnershipError);
  for (const program of f.programs()) program.free();
});

check(
  "a program that does not fit is refused with the numbers, and leaves no buffer behind",
  async (device) => {
    const n = 40_000;
    const f = t.compile((x: t.Tensor) => {
      const column = t.reshape(x, [n, 1]);
      const square = t.matmul(column, t.reshape(x, [1, n]));
      return [t.sum(x), t.matmul(square, column), t.matmul(t.transpose(square), t.exp(column))];
    }, device);
    const x = t.upload(t.tensor(new Float32Array(n)), device);
    const before = device.stats();
    assert.throws(() => f(x), /OutOfMemoryError: .*64000000\d\d bytes/);
    assert.equal(device.stats().liveBuffers, before.liveBuffers);
    assert.equal(device.stats().liveBytes, before.liveBytes);
    t.dispose(x);
    for (const program of f.programs()) program.free();
  },
  ["cpu", "webgpu"],
);

check("one tensor as two arguments, or twice in a donated tree, is one buffer", async (device) => {
  const before = device.stats().liveBuffers;
  const x = t.upload(t.tensor([1, 2]), device);
  const f = t.compile((p: t.Tensor[], y: t.Tensor) => t.add(t.mul(p[0], p[1]), y), device, { donate: [0] });
  const out = f([x, x], x);
  assert.deepEqual(await read(out), [2, 6]);
  t.dispose(out, x);
  for (const program of f.programs()) program.free();
  assert.equal(device.stats().liveBuffers, before);
});

check("constants are arguments: zeros, indices, masks of them, in every dtype, donated too", async (device) => {
  const eye = t.equal(t.iota([3, 3], 0), t.iota([3, 3], 1));
  const line = t.transpose(t.concat([t.mul(t.iota([2, 1], 0, "f32"), 0.1), t.full([1, 1], 5)]));
  const given = [
    t.zeros([2, 2]),
    t.iota([3]),
    eye,
    t.zeros([3], "bf16"),
    t.ones([2], "u32"),
    line,
    t.cast(line, "f16"),
  ];
  const f = t.compile((all: t.Tensor[]) => all.map((x) => t.add(t.cast(x, "f32"), 1)), device, { donate: [0] });
  const want = await run(() => given.map((x) => t.add(t.cast(x, "f32"), 1)), [], device);
  const before = device.stats().liveBuffers;
  for (let i = 0; i < 2; i++) {
    const got = f(given);
    for (const [j, x] of got.entries()) assertClose(await t.read(x), want[j], { rel: 1e-7 }, `argument ${j}`);
    t.dispose(got);
  }
  assert.equal(device.stats().liveBuffers, before);
  assert.equal(f.programs().length, 1);
  for (const program of f.programs()) program.free();
});

test("what has no numbers yet is refused with a hint", async () => {
  const lazy = t.exp(t.tensor([1]));
  await assert.rejects(t.read(lazy), /OwnershipError: read\(f32\[1\]\): it has no numbers yet\n {2}hint: evaluate/);
  const f = t.compile((x: t.Tensor) => x, reference);
  assert.throws(() => f(lazy), /OwnershipError: .* an argument f32\[1\] is an uncomputed exp\n {2}hint: /);
  assert.throws(() => f("text" as unknown as t.Tensor), /ShapeError: compiled function: an argument holds a string/);
});

test("a function is traced once for each structure", async () => {
  let traces = 0;
  const f = t.compile((x: { a: t.Tensor; b: t.Tensor }) => {
    traces++;
    return t.add(x.a, x.b);
  }, reference);
  for (let i = 0; i < 3; i++)
    t.dispose(f({ a: t.tensor([i]), b: t.tensor([1]) }), f({ b: t.tensor([i]), a: t.tensor([1]) }));
  assert.equal(traces, 1);
  t.dispose(f({ a: t.tensor([1, 2]), b: t.tensor([1]) }));
  assert.equal(traces, 2);
  assert.deepEqual(await read(t.tensor([1, 2])), [1, 2], "constants can be read where they are");
});
