/** Laws of ownership: what a call returns is its caller's, and nothing is used after its end. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { open } from "../../kernels/index.js";
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
  assert.throws(() => f(t.tensor([1]), t.exp(t.tensor([1]))), t.OwnershipError);
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
    assert.deepEqual(await read(sums.s), [3]);
    assert.deepEqual(await read(sums.u), [4]);
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

/** What may be done with the engine, right or wrong; numbers choose among the tensors at hand. */
const misuse = fc.array(
  fc.record({
    act: fc.constantFrom(
      ...(["add", "add", "donate", "both", "dispose", "read", "upload", "nested"] as const),
      ...(["foreign", "unborn", "kept", "throws", "async", "itself", "undone", "odd"] as const),
    ),
    i: fc.nat(7),
    j: fc.nat(7),
  }),
  { minLength: 4, maxLength: 14 },
);

const add = (x: t.Tensor, y: t.Tensor) => t.add(x, y);
/** Compiled once a device: a draw then builds hardly anything. */
const made = new Map<t.Device, ReturnType<typeof functionsOn>>();
const functionsOn = (device: t.Device) => {
  const plain = t.compile(add, device, { name: "plain" });
  const itself: (x: t.Tensor) => t.Tensor = t.compile((x: t.Tensor) => t.add(x, itself(t.tensor([1, 2, 3]))), device);
  return {
    plain,
    itself,
    first: t.compile(add, device, { donate: [0], name: "first" }),
    both: t.compile(add, device, { donate: [0, 1], name: "both" }),
    /** What another compiled function gives is a tensor like any other, here one that the trace captures. */
    nested: (x: t.Tensor, y: t.Tensor) => {
      const inner = plain(x, y);
      const out = t.evaluate(t.add(inner, inner), device);
      t.dispose(inner);
      return out;
    },
  };
};

law(
  "whatever is done with tensors and functions, in whatever order, ends in the right numbers or in an error of its kind",
  misuse,
  async (acts, device) => {
    const f = made.get(device) ?? functionsOn(device);
    made.set(device, f);
    const elsewhere = await openReference();
    const before = device.stats().liveBuffers;
    const held: { x: t.Tensor; want: number[] | undefined }[] = [];
    const hold = (x: t.Tensor, want: number[]): void => {
      held.push({ x, want });
    };
    for (const start of [1, 10]) {
      const numbers = [start, start + 1, start + 2];
      hold(t.upload(t.tensor(numbers), device), numbers);
    }
    let kept: t.Tensor | undefined;
    const gone = { name: "OwnershipError" };
    for (const { act, i, j } of acts) {
      const [a, b] = [held[i % held.length], held[j % held.length]];
      const sum = a.want && b.want?.map((y, k) => (a.want as number[])[k] + y);
      /** A call that takes `a` and `b`: it gives what it must if both are there. */
      const called = (call: () => t.Tensor, want = sum): boolean => {
        if (want === undefined) assert.throws(call, gone);
        else hold(call(), want);
        return want !== undefined;
      };
      switch (act) {
        case "add":
          called(() => f.plain(a.x, b.x));
          break;
        case "nested":
          called(
            () => f.nested(a.x, b.x),
            sum?.map((x) => 2 * x),
          );
          break;
        case "donate":
          if (called(() => f.first(a.x, b.x))) a.want = undefined;
          break;
        case "both":
          if (called(() => f.both(a.x, b.x))) [a.want, b.want] = [undefined, undefined];
          break;
        case "dispose":
          t.dispose(a.x);
          a.want = undefined;
          break;
        case "read":
          if (a.want === undefined) await assert.rejects(t.read(a.x), gone);
          else assert.deepEqual(await read(a.x), a.want);
          break;
        case "upload":
          hold(t.upload(t.tensor([i, j, i + j]), device), [i, j, i + j]);
          break;
        case "foreign":
          assert.throws(() => f.plain(t.upload(t.tensor([1, 2, 3]), elsewhere), b.x), gone);
          break;
        case "unborn": // nothing has computed it
          assert.throws(() => f.plain(t.exp(t.tensor([1, 2, 3])), t.tensor([1, 2, 3])), gone);
          await assert.rejects(t.read(t.exp(t.tensor([1, 2, 3]))), gone);
          break;
        case "throws": {
          const failure = new Error("of the caller's");
          const failing = t.compile((x: t.Tensor): t.Tensor => {
            kept = x;
            throw failure;
          }, device);
          assert.throws(() => failing(t.tensor([1, 2, 3])), failure);
          break;
        }
        case "kept": // an argument that was kept from a trace
          if (kept === undefined) break;
          assert.throws(() => f.plain(kept as t.Tensor, t.tensor([1, 2, 3])), gone);
          assert.throws(() => t.evaluate(t.add(kept as t.Tensor, 1), device), gone);
          await assert.rejects(t.read(kept), gone);
          break;
        case "async":
          assert.throws(
            () => t.compile((async (x: t.Tensor) => x) as never, device)(t.tensor([1]) as never),
            t.ShapeError,
          );
          break;
        case "itself":
          assert.throws(() => f.itself(t.tensor([1, 2, 3])), /OwnershipError: .*calls itself/);
          break;
        case "undone": {
          // captured, and disposed of while it is traced
          const own = t.upload(t.tensor([1, 2, 3]), device);
          const undoing = t.compile((x: t.Tensor) => {
            t.dispose(own);
            return t.add(x, own);
          }, device);
          assert.throws(() => undoing(t.tensor([1, 2, 3])), gone);
          for (const program of undoing.programs()) program.free();
          break;
        }
        case "odd":
          assert.throws(() => f.plain(new Float32Array(3) as never, t.tensor([1, 2, 3])), t.ShapeError);
          assert.throws(() => f.plain(undefined as never, t.tensor([1, 2, 3])), t.ShapeError);
          assert.throws(() => f.plain(t.tensor([1, 2]), t.tensor([1, 2, 3])), t.ShapeError);
          break;
      }
    }
    for (const { x, want } of held)
      if (want !== undefined) assert.deepEqual(await read(x), want);
      else await assert.rejects(t.read(x), gone);
    t.dispose(held.map(({ x }) => x));
    assert.equal(device.stats().liveBuffers, before);
    await elsewhere.close();
  },
);

check("a closed device, and a freed program, refuse all but freeing, and say what they are", async (device) => {
  const own = await open(device.name);
  const f = t.compile((x: t.Tensor) => t.add(x, 1), own);
  const nothing = t.compile(() => t.full([2], 1), own);
  const [x, kept] = [t.upload(t.tensor([1, 2]), own), t.upload(t.tensor([3]), own)];
  t.dispose(f(x), nothing());
  const freed = t.compile((y: t.Tensor) => t.mul(y, 2), own);
  t.dispose(freed(x));
  for (const program of [...freed.programs(), ...freed.programs()]) program.free();
  assert.throws(() => freed(x), /^DeviceError: \w+: a freed program was run/);
  assert.deepEqual(await read(kept), [3]);
  await own.close();
  const closed = /^DeviceError: .+: the device( \w+)? is closed/;
  const uses: (() => unknown)[] = [
    ...[() => f(x), () => f(t.tensor([1, 2])), () => f(t.tensor([1, 2, 3])), nothing, () => freed(x)],
    ...[() => t.upload(t.tensor([1]), own), () => t.evaluate(t.add(x, x), own)],
    () => own.plan({ inputs: [], outputs: [t.full([1], 1)] }),
  ];
  for (const use of uses) assert.throws(use, closed);
  await assert.rejects(t.read(kept), closed);
  t.dispose(x, kept);
  for (const program of [...f.programs(), ...nothing.programs()]) program.free();
  await own.close();
});
