import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  attention,
  bits,
  broadcastTo,
  cast,
  compile,
  concat,
  crossEntropy,
  dispose,
  exp,
  expand,
  gather,
  iota,
  key,
  less,
  matmul,
  max,
  mul,
  randomBits,
  rmsnorm,
  scatterAdd,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  tensor,
  topkMask,
  transpose,
  upload,
  vjp,
  where,
} from "../../../core/index.js";
import { agrees, assertClose, EPS, reference, run } from "../../close.js";
import { eighths, hash, integers, seeds, shapes, someAxes, viewOf } from "../../generators/generators.js";
import { check, law } from "../../law.js";

const cpu = { on: ["cpu"] as const, effort: 2 };

/** Shapes with a long axis now and then, so that vector loops run more than once and end in every remainder. */
const walked = () =>
  fc
    .record({ shape: shapes({ rank: 4, size: 5 }), long: fc.nat({ max: 40 }), at: fc.nat({ max: 9 }), seed: seeds() })
    .map(({ shape, long, at, seed }) => ({
      seed,
      shape: at < shape.length ? shape.map((n, i) => (i === at ? long : n)) : shape,
    }));

law(
  "maps over strided, broadcast and empty views are the reference's, bit for bit",
  walked(),
  async ({ shape, seed }, device) => {
    const [x, y, z] = [0, 1, 2].map((i) => viewOf(shape, seed + i));
    const f = (a: Tensor, b: Tensor, c: Tensor) => {
      const [p, q, r] = [x.look(a), y.look(b), z.look(c)];
      const chosen = where(less(p, q), mul(p, q), r);
      const counted = shape.length === 0 ? chosen : add(chosen, cast(iota(shape, hash(seed, 5) % shape.length), "f32"));
      return [
        sub(counted, r),
        less(p, q),
        concat(
          [mul(p, 2), q].map((t) => broadcastTo(t, [2, ...shape])),
          0,
        ),
      ];
    };
    await agrees(f, [x.base, y.base, z.base], device, {});
  },
  cpu,
);

law(
  "reductions over any axes of any views are the reference's",
  fc.record({ walk: walked(), long: fc.constantFrom(1, 37, 1500), at: fc.nat({ max: 4 }) }),
  async ({ walk: { shape, seed }, long, at }, device) => {
    const full = [...shape.slice(0, at), long, ...shape.slice(at)].map((n) => Math.max(n, 1));
    const axes = someAxes(full.length, seed);
    const [x, y] = [viewOf(full, seed), viewOf(full, seed + 1)];
    const f = (a: Tensor, b: Tensor) => {
      const product = mul(x.look(a), y.look(b));
      return [sum(product, axes), max(product, axes), sum(cast(product, "i32"), axes)];
    };
    await agrees(f, [x.base, y.base], device, { rel: 1e-7 });
  },
  { ...cpu, effort: 1 },
);

check(
  "a sum of a million numbers has the error of one rounding; a sum of none is 0",
  async (device) => {
    const data = Float32Array.from({ length: 1e6 + 3 }, (_, i) => hash(1, i) / 2 ** 32);
    await agrees((x: Tensor) => sum(x), [tensor(data)], device, { rel: EPS });
    await agrees((x: Tensor) => sum(x, 0), [tensor(data.subarray(3), [125_000, 8])], device, { rel: EPS });
    await agrees((x: Tensor) => [sum(x, 1), sum(x, 0), sum(x)], [eighths([3, 0], 1)], device, {});
  },
  ["cpu"],
);

const sizes = () => fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 90 }));

law(
  "matmul with any sizes, transposes and batches is the reference's",
  fc.record({ m: sizes(), k: sizes(), n: sizes(), batch: shapes({ rank: 2, size: 3 }), seed: seeds() }),
  async ({ m, k, n, batch, seed }, device) => {
    const [x, y] = [viewOf([...batch, m, k], seed), viewOf([...batch, k, n], seed + 1)];
    // Products of eighths have six binary places: sums of ninety are exact in any order.
    await agrees((a: Tensor, b: Tensor) => matmul(x.look(a), y.look(b)), [x.base, y.base], device, {});
  },
  cpu,
);

check(
  "matmul over several blocks of depth, rows and columns is the reference's",
  async (device) => {
    const [a, b] = [eighths([130, 515], 1), eighths([515, 530], 2)];
    const f = (x: Tensor, y: Tensor) => [
      matmul(x, y),
      matmul(transpose(y), transpose(x)),
      matmul(slice(x, [0, 0], [1, 515]), y),
      matmul(x, slice(y, [0, 3], [515, 4])),
      matmul(slice(transpose(y), [0, 0], [3, 515]), transpose(x)),
    ];
    await agrees(f, [a, b], device, { rel: 1e-6 });
  },
  ["cpu"],
);

law(
  "gather and scatterAdd are the reference's, with ids repeated and outside",
  fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    ids: fc.nat({ max: 99 }),
    width: fc.nat({ max: 9 }),
    seed: seeds(),
  }),
  async ({ rows, ids, width, seed }, device) => {
    const index = integers([ids], seed, -2, rows + 1);
    await agrees(
      (table: Tensor, i: Tensor, updates: Tensor) => [gather(table, i), scatterAdd(i, updates, rows)],
      [eighths([rows, width], seed), index, eighths([ids, width], seed + 1)],
      device,
      {},
    );
  },
  cpu,
);

law(
  "topkMask is the reference's: exact count, ties to the lower index, no zeros, denormals too",
  fc.record({
    size: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 3000 })),
    share: fc.nat({ max: 8 }),
    most: fc.constantFrom(1, 40),
    scale: fc.constantFrom(1, 2 ** -140, 2 ** 100),
    seed: seeds(),
  }),
  async ({ size, share, most, scale, seed }, device) => {
    const x = mul(eighths([size], seed, most), scale);
    const [mask] = await run(() => topkMask(x, Math.round((size * share) / 8)), [], device);
    const [want] = await run(() => topkMask(x, Math.round((size * share) / 8)), [], reference);
    assert.deepEqual([...mask], [...want]);
  },
  cpu,
);

law(
  "random bits are the reference's, wherever a vector starts",
  fc.record({ size: fc.nat({ max: 70 }), from: fc.nat({ max: 9 }), seed: seeds() }),
  async ({ size, from, seed }, device) => {
    await agrees((k: Tensor) => slice(bits(k, [size + from]), [from], [size + from]), [key(seed)], device, {});
  },
  cpu,
);

law(
  "random bits whose keys change from row to row are the reference's",
  fc.record({ rows: fc.nat({ max: 5 }), columns: fc.nat({ max: 20 }), seed: seeds() }),
  async ({ rows, columns, seed }, device) => {
    const words = [0, 1].map((i) => integers([rows, 1], seed + i, 0, 1, "u32"));
    const f = (k0: Tensor, k1: Tensor) => {
      const index = broadcastTo(iota([columns], 0, "u32"), [rows, columns]);
      return randomBits(broadcastTo(k0, [rows, columns]), broadcastTo(k1, [rows, columns]), index, 3);
    };
    await agrees(f as (...keys: Tensor[]) => Tensor, words, device, {});
  },
  cpu,
);

/**
 * A fused op's value and gradients agree with those of its expansion in f64. Beside the relative error there is an absolute
 * one: differences of terms up to 2 (cotangents, weights) that may cancel down to nothing, each rounded a few times.
 */
const fusedAgrees =
  (f: (...xs: Tensor[]) => Tensor, xs: Tensor[], floats: number, rel: number) =>
  async (device: Parameters<typeof agrees>[2]) => {
    const rest = xs.slice(floats);
    const all = (...given: Tensor[]): Tensor[] => {
      const [y, back] = vjp((...inner: Tensor[]) => f(...inner, ...rest), ...given);
      return [y, ...(back(eighths(y.shape, 77)) as Tensor[])];
    };
    const got = await run(all, xs.slice(0, floats), device);
    const want = await run((...given: Tensor[]) => expand(all(...given)), xs.slice(0, floats), reference);
    want.forEach((numbers, i) => {
      assertClose(got[i], numbers, { rel, abs: 16 * EPS }, `output ${i}`);
    });
  };

const rows = () => fc.record({ n: fc.integer({ min: 1, max: 6 }), d: fc.integer({ min: 2, max: 70 }), seed: seeds() });

law(
  "softmax is its expansion",
  rows(),
  ({ n, d, seed }, device) => fusedAgrees((x) => softmax(x), [eighths([n, d], seed, 9)], 1, 2e-6)(device),
  cpu,
);

law(
  "rmsnorm is its expansion",
  rows(),
  ({ n, d, seed }, device) =>
    fusedAgrees((x, w) => rmsnorm(x, w, 1e-3), [eighths([2, n, d], seed), eighths([d], seed + 1)], 2, 3e-6)(device),
  cpu,
);

law(
  "crossEntropy is its expansion",
  rows(),
  ({ n, d, seed }, device) =>
    fusedAgrees(
      (x, t) => crossEntropy(x, t),
      [eighths([n, d], seed, 9), integers([n], seed, 0, d - 1)],
      1,
      2e-6,
    )(device),
  cpu,
);

law(
  "attention is its expansion, with grouped heads, unused slots, and positions in any order",
  fc.record({
    B: fc.integer({ min: 1, max: 2 }),
    T: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 37 })),
    S: fc.integer({ min: 1, max: 37 }),
    G: fc.integer({ min: 1, max: 2 }),
    shared: fc.integer({ min: 1, max: 3 }),
    D: fc.integer({ min: 1, max: 18 }),
    seesAll: fc.boolean(),
    seed: seeds(),
  }),
  ({ B, T, S, G, shared, D, seesAll, seed }, device) => {
    const tensors = [
      eighths([B, T, G * shared, D], seed),
      eighths([B, S, G, D], seed + 1),
      eighths([B, S, G, D], seed + 2),
    ];
    // The largest position has no successor.
    const position = integers([B, T], seed, seesAll ? 2 ** 31 - 1 : 0, seesAll ? 2 ** 31 - 1 : S - 1);
    return fusedAgrees((q, k, v, p) => attention(q, k, v, p, 0.25), [...tensors, position], 3, 5e-6)(device);
  },
  { ...cpu, effort: 1 },
);

check(
  "constants that JSON cannot write are told apart",
  async (device) => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0];
    for (const value of values) {
      const [got] = await run((x: Tensor) => mul(x, value), [tensor([1, 1, 1])], device);
      for (const y of got) assert.ok(Object.is(y, value), `${y} for ${value}`);
    }
  },
  ["cpu"],
);

check(
  "a second run compiles nothing and leaves no memory behind",
  async (device) => {
    const f = compile((x: Tensor) => [sum(exp(x), 0), matmul(x, transpose(x)), softmax(x)], device);
    const x = upload(eighths([33, 21], 1), device);
    const once = () => {
      dispose(f(x));
      const { kernels, programs, liveBuffers, liveBytes } = device.stats();
      return { kernels, programs, liveBuffers, liveBytes };
    };
    const first = once();
    for (let i = 0; i < 5; i++) assert.deepEqual(once(), first);
    dispose(x);
    for (const program of f.programs()) program.free();
  },
  ["cpu"],
);
