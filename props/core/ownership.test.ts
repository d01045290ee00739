/** Laws of ownership: what a call returns is its caller's, and nothing is used after its end. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { openReference } from "../../kernels/reference/index.js";
import { numbersOf } from "../close.js";
import { eighths, seeds } from "../generators/generators.js";
import { check, law } from "../law.js";

const read = async (x: t.Tensor): Promise<number[]> => Array.from(await t.read(x));

check("a donated or disposed tensor throws wherever it is used, and names how it ended", async (device) => {
  const x = t.upload(t.tensor([1, 2, 3]), device);
  const step = t.compile((p: { x: t.Tensor }, d: t.Tensor) => ({ x: t.sub(p.x, d) }), device, {
    donate: [0],
    name: "step",
  });
  const next = step({ x }, 1);
  assert.deepEqual(await read(next.x), [0, 1, 2]);
  const gone = /OwnershipError: .*f32\[3\] was donated to step\(…\), argument 0\n {2}hint: keep the result/;
  assert.throws(() => step({ x }, 1), gone);
  await assert.rejects(t.read(x), gone);
  assert.throws(() => t.evaluate(t.add(x, 1), device), gone);
  t.dispose(x); // ended already: nothing happens
  t.dispose(next);
  t.dispose(next);
  await assert.rejects(t.read(next.x), /OwnershipError: read: this f32\[3\] was disposed of by dispose/);
  assert.throws(() => step(next, 1), t.OwnershipError);
  for (const program of step.programs()) program.free();
});

check("a failed call leaves no buffer behind", async (device) => {
  const gone = t.upload(t.tensor([1]), device);
  t.dispose(gone);
  const f = t.compile((x: t.Tensor, y: t.Tensor) => t.add(x, y), device);
  t.dispose(f(t.tensor([1]), t.tensor([2])));
  const before = device.stats().liveBuffers;
  assert.throws(() => f(t.tensor([1]), gone), t.OwnershipError);
  assert.throws(() => f(t.tensor([1]), t.add(t.tensor([1]), 1)), t.OwnershipError);
  assert.equal(device.stats().liveBuffers, before);
  for (const program of f.programs()) program.free();
});

check("a tensor of another device is refused, and says where it lies", async (device) => {
  const elsewhere = await openReference();
  const x = t.upload(t.tensor([1, 2]), elsewhere);
  const f = t.compile((y: t.Tensor) => t.mul(y, 2), device);
  assert.throws(() => f(x), /OwnershipError: .*f32\[2\] lies on reference, not on/);
  assert.throws(() => t.evaluate(t.add(x, 1), device), t.OwnershipError);
  t.dispose(x);
  assert.equal(elsewhere.stats().liveBuffers, 0);
  await elsewhere.close();
});

check("evaluate, upload, read and dispose come out even; `using` frees at the end of its block", async (device) => {
  const before = device.stats();
  const tree = t.upload({ a: t.tensor([1, 2]), b: [t.tensor([[3]], undefined, "i32")] }, device);
  assert.equal(device.stats().liveBuffers, before.liveBuffers + 2);
  assert.equal(t.upload(tree, device).a, tree.a, "stored tensors stay where they are");
  assert.equal(t.deviceOf(tree.a), device);
  {
    using sums = t.disposable(t.evaluate({ s: t.sum(tree.a), u: t.add(tree.b[0], 1) }, device));
    assert.deepEqual(await read(sums.value.s), [3]);
    assert.deepEqual(await read(sums.value.u), [4]);
    assert.equal(device.stats().liveBuffers, before.liveBuffers + 4);
  }
  t.dispose(tree);
  assert.equal(device.stats().liveBuffers, before.liveBuffers);
  assert.equal(device.stats().liveBytes, before.liveBytes);
});

law(
  "reading back what was uploaded is the identity, for every dtype",
  fc.tuple(
    fc.constantFrom<t.DType>("f32", "i32", "u32", "bool"),
    fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 9 }),
  ),
  async ([dtype, numbers], device) => {
    const data =
      dtype === "f32"
        ? Float32Array.from(numbers)
        : dtype === "i32"
          ? Int32Array.from(numbers)
          : Uint32Array.from(numbers, (n) => (dtype === "bool" ? n & 1 : n));
    const [back] = await numbersOf(t.upload(t.tensor(data, undefined, dtype), device));
    assert.deepEqual(Array.from(back), Array.from(data));
  },
);

law(
  "outputs are fresh: changing course after one call does not disturb earlier results",
  fc.tuple(seeds(), fc.integer({ min: 1, max: 4 })),
  async ([seed, n], device) => {
    const f = t.compile((x: t.Tensor) => [x, t.mul(x, 2), t.sum(x)], device);
    const kept: { got: t.Tensor[]; x: t.Tensor }[] = [];
    for (let i = 0; i < n; i++) {
      const x = eighths([2, 3], seed + i);
      kept.push({ got: f(x), x });
    }
    for (const { got, x } of kept) {
      const want = Array.from(t.constantData(x).data);
      assert.deepEqual(await read(got[0]), want);
      assert.deepEqual(
        await read(got[1]),
        want.map((value) => 2 * value),
      );
      t.dispose(got);
    }
    for (const program of f.programs()) program.free();
  },
  { effort: 0.3 },
);

check(
  "a read that is under way keeps its numbers while its tensor is disposed of and its bytes are used again",
  async (device) => {
    const f = t.compile((x: t.Tensor) => t.add(x, 1), device, { donate: [0] });
    let x = t.upload(t.tensor(new Float32Array(1000)), device);
    const reads: Promise<t.HostData>[] = [];
    for (let step = 0; step < 8; step++) {
      reads.push(t.read(x));
      x = f(x);
    }
    reads.push(t.read(x));
    t.dispose(x);
    const got = await Promise.all(reads);
    got.forEach((data, step) => {
      assert.ok(
        Array.from(data).every((n) => n === step),
        `step ${step}: ${data.slice(0, 3)}`,
      );
    });
    for (const program of f.programs()) program.free();
  },
);
