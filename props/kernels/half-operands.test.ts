/** Every op reads 16-bit floats as their f32 copies: the same bits come out. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import { assertSame, run } from "../close.js";
import { axisOrder, hash, integers, seeds, shapes, someAxes, viewOf } from "../generators/generators.js";
import { check, law } from "../law.js";
import { reach } from "../reach.js";

const formats = ["bf16", "f16"] as const satisfies readonly t.HalfType[];
const format = () => fc.constantFrom(...formats);

/** Numbers as they are stored, and a f32 copy of them. */
const twins = (shape: t.Shape, seed: number, dtype: t.DType): [t.Tensor, t.Tensor] => {
  const numbers = Float32Array.from({ length: t.sizeOf(shape) }, (_, i) => hash(seed, i) / 2 ** 31 - 1);
  const stored = t.tensor(numbers, shape, dtype);
  return [stored, t.tensor(t.constantNumbers(stored).data, shape)];
};

/** f gives the same bits for 16-bit tensors as for their f32 copies. */
const readsAsCopies = async (
  f: (...x: t.Tensor[]) => t.Tensor[],
  given: readonly (readonly [t.Tensor, t.Tensor])[],
  device: t.Device,
): Promise<void> => {
  const [narrow, wide] = [0, 1].map((which) => given.map((twin) => twin[which]));
  const got = await run(f, narrow, device);
  const want = await run(f, wide, device);
  want.forEach((numbers, i) => {
    assertSame(got[i], numbers, `output ${i}`);
  });
};

const sizes = () => fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 70 }));
const stored = () => fc.constantFrom<t.DType>("f32", "bf16", "f16");

law(
  "a product of 16-bit operands is the product of their f32 copies, bit for bit, whatever the sizes, transposes and batches",
  fc.record({
    m: sizes(),
    k: sizes(),
    n: sizes(),
    batch: shapes({ rank: 2, size: 3 }),
    a: stored(),
    b: stored(),
    seed: seeds(),
  }),
  async ({ m, k, n, batch, a, b, seed }, device) => {
    const [x, y] = [viewOf([...batch, m, k], seed), viewOf([...batch, k, n], seed + 1)];
    const given = [twins(x.base.shape, seed, a), twins(y.base.shape, seed + 1, b)];
    await readsAsCopies((p, q) => [t.matmul(x.look(p), y.look(q))], given, device);
  },
);

check(
  "a product of 16-bit operands over several blocks of depth, rows and columns is that of their f32 copies",
  async (device) => {
    for (const [a, b] of [
      ["f32", "bf16"],
      ["bf16", "f16"],
      ["f16", "f32"],
    ] as const) {
      const f = (x: t.Tensor, y: t.Tensor) => [
        t.matmul(x, y),
        t.matmul(t.transpose(y), t.transpose(x)),
        t.matmul(t.slice(x, [0, 0], [1, 301]), y),
        t.matmul(t.slice(x, [0, 1], [9, 301]), t.slice(y, [1, 0], [301, 530])),
        t.matmul(x, t.slice(y, [0, 3], [301, 4])),
        t.matmul(t.slice(t.transpose(y), [0, 0], [3, 301]), t.transpose(x)),
      ];
      await readsAsCopies(f, [twins([130, 301], 1, a), twins([301, 530], 2, b)], device);
    }
  },
);

law(
  "maps and reductions over views of 16-bit floats are those of their f32 copies",
  fc.record({
    shape: shapes({ rank: 3, size: 5 }),
    long: fc.constantFrom(1, 6, 37),
    at: fc.nat({ max: 3 }),
    seed: seeds(),
    a: format(),
    b: stored(),
  }),
  async ({ shape, long, at, seed, a, b }, device) => {
    const full = [...shape.slice(0, at), long, ...shape.slice(at)];
    const axes = someAxes(full.length, seed).filter((axis) => full[axis] > 0);
    const [x, y] = [viewOf(full, seed), viewOf(full, seed + 1)];
    const f = (p: t.Tensor, q: t.Tensor) => {
      const [u, v] = [x.look(p), y.look(q)];
      const product = t.mul(u, v);
      const turned = t.permute(u, axisOrder(full.length, seed));
      return [
        product,
        t.less(u, v),
        t.cast(turned, "f32"),
        t.cast(t.concat([u, u], 0), "f32"),
        t.sum(product, axes),
        t.max(u, axes),
      ];
    };
    await readsAsCopies(f, [twins(x.base.shape, seed, a), twins(y.base.shape, seed + 1, b)], device);
  },
);

law(
  "gather from a 16-bit table is that from its f32 copy",
  fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    ids: fc.nat({ max: 99 }),
    width: fc.nat({ max: 9 }),
    from: fc.nat({ max: 3 }),
    seed: seeds(),
    dtype: format(),
  }),
  async ({ rows, ids, width, from, seed, dtype }, device) => {
    const index = integers([ids], seed, -2, rows + 1);
    const f = (table: t.Tensor) => [
      t.gather(t.slice(table, [from, 0], [rows + from, width]), index),
      t.gather(t.transpose(table), index),
    ];
    await readsAsCopies(f, [twins([rows + from, width], seed, dtype)], device);
  },
);

const fusedOps: Readonly<Record<string, { shapes: readonly t.Shape[]; f: (...x: t.Tensor[]) => t.Tensor }>> = {
  softmax: { shapes: [[5, 9]], f: (x) => t.softmax(x) },
  rmsnorm: { shapes: [[5, 9], [9]], f: (x, w) => t.rmsnorm(x, w, 1e-5) },
  swiglu: {
    shapes: [
      [5, 9],
      [5, 9],
    ],
    f: (gate, up) => t.swiglu(gate, up),
  },
  rope: {
    shapes: [
      [2, 3, 2, 6],
      [2, 3, 3],
      [2, 3, 3],
    ],
    f: (x, cosine, sine) => t.rope(x, cosine, sine),
  },
  crossEntropy: { shapes: [[5, 9]], f: (x) => t.crossEntropy(x, integers([5], 1, 0, 8)) },
  tokenScores: { shapes: [[5, 9]], f: (x) => t.tokenScores(x, integers([5], 1, 0, 8)) },
  attention: {
    shapes: [
      [2, 3, 4, 5],
      [2, 7, 2, 5],
      [2, 7, 2, 5],
    ],
    f: (q, k, v) => t.attention(q, k, v, integers([2, 3], 2, 0, 6), 0.4),
  },
};
for (const [name, { shapes: given, f }] of Object.entries(fusedOps))
  check(`${name} and its gradient read 16-bit floats as their f32 copies`, async (device) => {
    // Each is programs of its own, seconds to compile for a software adapter.
    for (const dtype of device.name === "webgpu" && reach < 10 ? formats.slice(0, 1) : formats) {
      const slopes = (...x: t.Tensor[]) => t.grad((list: t.Tensor[]) => t.sum(t.square(f(...list))))(x);
      const both = (...x: t.Tensor[]) => [f(...x), ...slopes(...x)];
      await readsAsCopies(
        both,
        given.map((shape, i) => twins(shape, i, dtype)),
        device,
      );
    }
  });
