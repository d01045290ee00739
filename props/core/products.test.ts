/** Laws of products, reductions, lookups and casts on each device. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { assertClose, assertSame, EPS, run } from "../close.js";
import { equal } from "../equal.js";
import { axisOrder, eighths, hash, integers, seeds, shapes, someAxes } from "../generators/generators.js";
import { law } from "../law.js";

const tensors = (options = {}) => fc.tuple(shapes(options), seeds());

law(
  "matmul: (ab)ᵀ = bᵀaᵀ, the unit matrix, batches one by one, a product as a sum",
  fc.tuple(seeds(), ...[3, 3, 3, 2].map((max) => fc.integer({ min: 0, max }))),
  async ([seed, M, K, N, B], device) => {
    const [a, b] = [eighths([B, M, K], seed), eighths([B, K, N], seed + 1)];
    await equal(
      (x, y) => t.transpose(t.matmul(x, y)),
      (x, y) => t.matmul(t.transpose(y), t.transpose(x)),
      [a, b],
      device,
    );
    const unit = t.tensor(
      Float64Array.from({ length: K * K }, (_, i) => (i % (K + 1) === 0 ? 1 : 0)),
      [K, K],
    );
    await equal(
      (x, i) => t.matmul(x, i),
      (x) => x,
      [a, unit],
      device,
    );
    await equal(
      (x, y) => t.matmul(x, y),
      (x, y) => t.sum(t.mul(t.reshape(x, [B, M, K, 1]), t.reshape(y, [B, 1, K, N])), 2),
      [a, b],
      device,
    );
    if (B === 0) return;
    const row = (x: t.Tensor, i: number) => t.reshape(t.sliceAxis(x, 0, i, i + 1), x.shape.slice(1));
    await equal(
      (x, y) => t.matmul(x, y),
      (x, y) => t.stack(Array.from({ length: B }, (_, i) => t.matmul(row(x, i), row(y, i)))),
      [a, b],
      device,
    );
    // A matrix on the right of a batch, and a batch on the right of a matrix.
    await equal(
      (x, y) => t.matmul(x, row(y, 0)),
      (x, y) => t.matmul(x, t.broadcastTo(row(y, 0), [B, K, N])),
      [a, b],
      device,
    );
    await equal(
      (x, y) => t.matmul(row(x, 0), y),
      (x, y) => t.matmul(t.broadcastTo(row(x, 0), [B, M, K]), y),
      [a, b],
      device,
    );
  },
  { effort: 0.5 },
);

law(
  "matmul of larger and odd sizes agrees with the sum of products within K roundings",
  fc.tuple(seeds(), fc.constantFrom([1, 130, 1], [65, 33, 67], [128, 64, 128], [3, 257, 130], [130, 1, 5]), fc.nat(3)),
  async ([seed, [M, K, N], form], device) => {
    const [a, b] = [eighths(form & 1 ? [K, M] : [M, K], seed), eighths(form & 2 ? [N, K] : [K, N], seed + 1)];
    const [got] = await run(
      (x: t.Tensor, y: t.Tensor) => t.matmul(form & 1 ? t.transpose(x) : x, form & 2 ? t.transpose(y) : y),
      [a, b],
      device,
    );
    const [x, y] = [t.constantData(a).data, t.constantData(b).data];
    const want = Array.from({ length: M * N }, (_, at) => {
      const [i, j] = [Math.floor(at / N), at % N];
      let total = 0;
      for (let k = 0; k < K; k++) total += x[form & 1 ? k * M + i : i * K + k] * y[form & 2 ? j * K + k : k * N + j];
      return total;
    });
    // Eighths up to 2: products and partial sums are exact in f32.
    assertSame(got, want);
  },
  { effort: 0.4 },
);

law(
  "matmul reads operands through any strides: permuted, transposed, sliced, broadcast",
  fc.tuple(seeds(), seeds(), fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 })),
  async ([seed, order, [A, B, M, K, N]], device) => {
    /** A tensor of `shape` that lies in memory with its axes in another order, larger, or with batch axes broadcast. */
    const strided = (shape: number[], which: number): [t.Tensor, (x: t.Tensor) => t.Tensor] => {
      const axes = axisOrder(4, which);
      const inverse = axes.map((_, i) => axes.indexOf(i));
      const thin = shape.map((n, i) => (i < 2 && hash(which, i) % 3 === 0 ? 1 : n));
      const extra = hash(which, 7) % 3;
      const stored = axes.map((axis) => thin[axis] + (axis === 3 ? extra : 0));
      const view = (x: t.Tensor) => t.broadcastTo(t.sliceAxis(t.permute(x, inverse), 3, extra, thin[3] + extra), shape);
      return [eighths(stored, which), view];
    };
    const [[a, viewA], [b, viewB]] = [strided([A, B, M, K], seed), strided([A, B, K, N], order)];
    await equal(
      (x, y) => t.matmul(viewA(x), viewB(y)),
      (x, y) => t.sum(t.mul(t.reshape(viewA(x), [A, B, M, K, 1]), t.reshape(viewB(y), [A, B, 1, K, N])), 3),
      [a, b],
      device,
    );
  },
);

law(
  "long reductions: sums of eighths are exact in any order, maxima always; long, wide, and over a middle axis",
  fc.tuple(seeds(), fc.constantFrom([1, 5000, 1], [3, 1025, 2], [700, 7, 1], [2, 64, 129], [1, 1, 4097])),
  async ([seed, shape], device) => {
    const x = eighths(shape, seed);
    const data = t.constantData(x).data;
    const [A, B, C] = shape;
    const [sums, maxima, all] = await run((y: t.Tensor) => [t.sum(y, 1), t.max(y, [0, 2]), t.sum(y)], [x], device);
    const at = (a: number, b: number, c: number) => data[(a * B + b) * C + c];
    const count = (n: number) => Array.from({ length: n }, (_, i) => i);
    const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);
    assertSame(
      sums,
      count(A * C).map((i) => total(count(B).map((b) => at(Math.floor(i / C), b, i % C)))),
    );
    assertSame(
      maxima,
      count(B).map((b) => Math.max(...count(A * C).map((i) => at(Math.floor(i / C), b, i % C)))),
    );
    assertSame(all, [total(Array.from(data))]);
  },
  { effort: 0.3 },
);

law("mean = sum / count", tensors({ low: 1 }), async ([shape, seed], device) => {
  const axes = someAxes(shape.length, seed);
  const count = t.sizeOf(axes.map((axis) => shape[axis]));
  const [mean, sum] = await run((x: t.Tensor) => [t.mean(x, axes), t.sum(x, axes)], [eighths(shape, seed)], device);
  assertClose(
    mean,
    Array.from(sum, (x) => x / count),
    { rel: 4 * EPS },
  );
});

law(
  "gather is a matmul with the one-hot matrix, scatterAdd with its transpose; ids outside give zeros",
  fc.tuple(
    seeds(),
    ...[
      [1, 5],
      [0, 3],
      [0, 6],
    ].map(([min, max]) => fc.integer({ min, max })),
  ),
  async ([seed, N, D, S], device) => {
    const ids = integers([S], seed, -1, N);
    const oneHot = (i: t.Tensor) => t.cast(t.equal(t.reshape(i, [S, 1]), t.iota([S, N], 1)), "f32");
    await equal(
      (table, i) => t.gather(table, i),
      (table, i) => t.matmul(oneHot(i), table),
      [eighths([N, D], seed), ids],
      device,
    );
    await equal(
      (x, i) => t.scatterAdd(i, x, N),
      (x, i) => t.matmul(t.transpose(oneHot(i)), x),
      [eighths([S, D], seed), ids],
      device,
    );
  },
);

law(
  "topkMask marks k nonzero elements, none smaller than one unmarked, ties to the lower index",
  fc.tuple(shapes(), seeds(), fc.nat(30)),
  async ([shape, seed, k], device) => {
    const x = eighths(shape, seed);
    const [got] = await run((y: t.Tensor) => t.topkMask(y, k), [x], device);
    const data = Array.from(t.constantData(x).data);
    const order = data.map((_, i) => i).filter((i) => data[i] !== 0);
    order.sort((a, b) => Math.abs(data[b]) - Math.abs(data[a]) || a - b);
    const marked = new Set(order.slice(0, k));
    assertSame(
      got,
      data.map((_, i) => (marked.has(i) ? 1 : 0)),
    );
  },
  { effort: 0.5 },
);

law(
  "topkMask on thousands of elements with many ties and denormal, huge and negative zeros",
  fc.tuple(seeds(), fc.constantFrom(1000, 4099), fc.double({ min: 0, max: 1, noNaN: true })),
  async ([seed, n, share], device) => {
    const special = [0, -0, 1e30, -1e30, 2 ** -100, 1];
    const data = Float32Array.from({ length: n }, (_, i) => {
      const h = hash(seed, i);
      return h % 7 === 0 ? special[(h >>> 8) % special.length] : ((h >>> 8) % 33) / 8 - 2;
    });
    const k = Math.floor(share * n);
    const [got] = await run((y: t.Tensor) => t.topkMask(y, k), [t.tensor(data)], device);
    const order = Array.from(data.keys()).filter((i) => data[i] !== 0);
    order.sort((a, b) => Math.abs(data[b]) - Math.abs(data[a]) || a - b);
    const marked = new Set(order.slice(0, k));
    assertSame(
      got,
      Array.from(data, (_, i) => (marked.has(i) ? 1 : 0)),
    );
  },
  { effort: 0.15 },
);

law(
  "cast: integers wrap and keep their bits, f32 truncates and saturates, bool is x ≠ 0",
  fc.constant(0),
  async (_, device) => {
    const f = t.tensor([-2.75, -0.5, 0, 0.5, 2.75, 3e9, -3e9, 5e9]);
    const i = t.tensor([-1, 0, 5, -(2 ** 31)], undefined, "i32");
    const [toInt, toUnsigned, toBool, wrapped, float, back] = await run(
      (x: t.Tensor, y: t.Tensor) => [
        t.cast(x, "i32"),
        t.cast(x, "u32"),
        t.cast(x, "bool"),
        t.cast(y, "u32"),
        t.cast(y, "f32"),
        t.cast(t.cast(y, "u32"), "i32"),
      ],
      [f, i],
      device,
    );
    // The largest i32 is no f32: 2^31 - 128 is the nearest below that every device can give.
    assert.deepEqual(Array.from(toInt).slice(0, 5), [-2, 0, 0, 0, 2]);
    assert.ok(toInt[5] >= 2 ** 31 - 128 && toInt[6] === -(2 ** 31), `${toInt}`);
    assert.deepEqual(Array.from(toUnsigned).slice(0, 6), [0, 0, 0, 0, 2, 3e9]);
    assert.ok(toUnsigned[7] >= 2 ** 32 - 256 && toUnsigned[6] === 0, `${toUnsigned}`);
    assert.deepEqual(Array.from(toBool), [1, 1, 0, 1, 1, 1, 1, 1]);
    assert.deepEqual(Array.from(wrapped), [2 ** 32 - 1, 0, 5, 2 ** 31]);
    assertSame(float, [-1, 0, 5, -(2 ** 31)]);
    assertSame(back, [-1, 0, 5, -(2 ** 31)]);
  },
  { effort: 0.01 },
);

law(
  "a bool tensor holds 0 and 1, whatever numbers it was made of",
  fc.array(fc.integer({ min: -2, max: 3 }), { minLength: 1, maxLength: 9 }),
  async (numbers, device) => {
    const want = numbers.map((n) => (n === 0 ? 0 : 1));
    const made = [t.tensor(numbers, undefined, "bool"), t.tensor(Uint32Array.from(numbers), undefined, "bool")];
    for (const x of made) {
      const [same, opposite, whole] = await run(
        (y: t.Tensor) => [t.equal(x, y), t.not(x), t.full([1], numbers[0], "bool")],
        [t.tensor(want.map((n) => n === 1))],
        device,
      );
      assertSame(
        same,
        want.map(() => 1),
      );
      assertSame(
        opposite,
        want.map((n) => 1 - n),
      );
      assertSame(whole, want.slice(0, 1));
    }
  },
  { effort: 0.2 },
);
