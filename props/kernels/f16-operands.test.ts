/** Products of operands rounded to f16: what matrix units compute, and what every other device computes of rounded operands. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import { agrees, assertClose, assertSame, EPS, reference, run } from "../close.js";
import { eighths, hash, seeds, shapes, viewOf } from "../generators/generators.js";
import { law } from "../law.js";
import { webgpuCheck, webgpuLaw } from "./webgpu/webgpu-variants.js";

const f16 = { operands: "f16" } as const;

interface Case {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly batch: readonly number[];
  readonly a: t.DType;
  readonly b: t.DType;
  readonly seed: number;
}

const cases = (size: () => fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.record({
    ...{ m: size(), k: size(), n: size(), batch: shapes({ rank: 2, size: 2 }), seed: seeds() },
    a: fc.constantFrom<t.DType>("f32", "bf16", "f16"),
    b: fc.constantFrom<t.DType>("f32", "bf16", "f16"),
  });
const sizes = () => fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 16, 20, 32, 33, 68, 70));

/** The same numbers, times a factor, stored otherwise. */
const stored = (x: t.Tensor, dtype: t.DType, factor = 1): t.Tensor =>
  t.tensor(
    Float64Array.from(t.constantData(x).data, (v) => v * factor),
    x.shape,
    dtype,
  );

/** Numbers of three digits: f16 cannot hold them. */
const floats = (shape: t.Shape, seed: number, most = 1): t.Tensor =>
  t.tensor(
    Float32Array.from({ length: t.sizeOf(shape) }, (_, i) => (hash(seed, i) / 2 ** 31 - 1) * most),
    shape,
  );

/** Eighths are exact in f16, and their sums in f32: no order of them, and no rounding, changes a bit. */
const exact = async ({ m, k, n, batch, a, b, seed }: Case, device: t.Device): Promise<void> => {
  const [x, y] = [viewOf([...batch, m, k], seed), viewOf([...batch, k, n], seed + 1)];
  const f = (p: t.Tensor, q: t.Tensor) => [
    t.matmul(x.look(p), y.look(q), f16),
    t.maximum(t.add(t.mul(t.matmul(t.transpose(y.look(q)), t.transpose(x.look(p)), f16), 2), 1), 0),
  ];
  await agrees(f, [stored(x.base, a), stored(y.base, b)], device, {});
};
law("a product of f16 operands of eighths is the reference's, bit for bit", cases(sizes), exact);
webgpuLaw("a product of f16 operands of eighths is the reference's, bit for bit", cases(sizes), exact, 6);

webgpuCheck(
  "a weight gradient of many tokens is exact, alone and added to what is carried, both ways round",
  async (device) => {
    const [x, ct] = [eighths([1100, 70], 1), eighths([1100, 33], 2)];
    const f = (carry: t.Tensor, a: t.Tensor, b: t.Tensor) => [
      t.matmul(t.transpose(a), b, f16),
      t.add(carry, t.matmul(t.transpose(b), a, f16)),
    ];
    const program = t.compile(f, device, { donate: [0] });
    const [got, sum] = program(t.upload(eighths([33, 70], 3), device), x, ct);
    const [want, wantSum] = t.evaluate(f(eighths([33, 70], 3), x, ct), reference);
    assertSame(await t.read(got), await t.read(want));
    assertSame(await t.read(sum), await t.read(wantSum));
    t.dispose([got, sum, want, wantSum]);
    for (const one of program.programs()) one.free();
  },
);

law(
  "a product of f16 operands is the product of rounded ones",
  cases(sizes),
  async ({ m, k, n, batch, seed }, device) => {
    const [x, y] = [floats([...batch, m, k], seed), floats([...batch, k, n], seed + 1)];
    const rounded = (z: t.Tensor) => t.cast(t.cast(z, "f16"), "f32");
    const [want] = await run((p: t.Tensor, q: t.Tensor) => t.matmul(rounded(p), rounded(q)), [x, y], reference);
    const [got] = await run((p: t.Tensor, q: t.Tensor) => t.matmul(p, q, f16), [x, y], device);
    assertClose(got, want, { abs: k * (k + 1) * EPS }); // as any sum of k terms up to 1
  },
);

law(
  "gradients of a product of f16 operands are products of f16 operands",
  fc.record({
    m: fc.integer({ min: 1, max: 9 }),
    k: fc.constantFrom(3, 16),
    n: fc.constantFrom(1, 8, 20),
    seed: seeds(),
  }),
  async ({ m, k, n, seed }, device) => {
    const [x, y, ct] = [floats([m, k], seed), floats([k, n], seed + 1), floats([m, n], seed + 2)];
    const slopes = (p: t.Tensor, q: t.Tensor, c: t.Tensor) =>
      t.vjp((given: t.Tensor[]) => t.matmul(given[0], given[1], f16), [p, q])[1](c) as unknown as t.Tensor[];
    const direct = (p: t.Tensor, q: t.Tensor, c: t.Tensor) => [
      t.matmul(c, t.transpose(q), f16),
      t.matmul(t.transpose(p), c, f16),
    ];
    const [got, want] = [await run(slopes, [x, y, ct], device), await run(direct, [x, y, ct], device)];
    for (const [i, numbers] of want.entries()) assertSame(got[i], numbers, `cotangent ${i}`);
  },
  { effort: 0.5 },
);

/** A product with 1 is the operand as it was rounded: to nearest even, whoever does it. */
const rounds = async (device: t.Device): Promise<void> => {
  const one = t.tensor(
    Float32Array.from({ length: 256 }, (_, i) => Number(i % 17 === 0)),
    [16, 16],
  );
  const ties = Float32Array.from(
    { length: 160 },
    (_, i) => (1 + (i % 40) * 2 ** -11) * 2 ** (Math.floor(i / 40) * 5 - 10),
  );
  const all = Float32Array.from([...ties, ...(t.constantData(floats([22, 16], 3, 60)).data as Float32Array)]);
  const numbers = t.tensor(all, [32, 16]);
  const f = (x: t.Tensor, i: t.Tensor) => [t.matmul(x, i, f16), t.matmul(i, t.transpose(x), f16)];
  const want = (x: t.Tensor) => [t.cast(t.cast(x, "f16"), "f32"), t.cast(t.cast(t.transpose(x), "f16"), "f32")];
  const [got, rounded] = [await run(f, [numbers, one], device), await run(want, [numbers], reference)];
  for (const [i, want16] of rounded.entries()) assertSame(got[i], want16, `output ${i}`);
};
webgpuCheck("f16 operands are rounded to nearest even", (device) => rounds(device));

webgpuCheck("a row of a product of f16 operands is the same bits whatever rows are beside it", async (device) => {
  for (const [inner, n] of [
    [300, 200],
    [1100, 5],
  ]) {
    const [x, w] = [floats([1040, inner], 1), floats([inner, n], 2)];
    const of = async (rows: number) =>
      (await run((p: t.Tensor, q: t.Tensor) => t.matmul(t.slice(p, [0, 0], [rows, inner]), q, f16), [x, w], device))[0];
    const all = await of(1040);
    for (const rows of [1, 24, 320]) assertSame(all.slice(0, rows * n), await of(rows), `${rows} rows`);
  }
});

law(
  "operands of 1e4 make no NaN",
  fc.record({ seed: seeds() }),
  async ({ seed }, device) => {
    const [x, y] = [stored(eighths([5, 40], seed), "f32", 1e4), stored(eighths([40, 6], seed + 1), "f32", 1e4)];
    await agrees((p: t.Tensor, q: t.Tensor) => t.matmul(p, q, f16), [x, y], device, { rel: 1e-5 });
  },
  { effort: 0.1 },
);
