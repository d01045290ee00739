import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  bits,
  broadcastTo,
  cast,
  compile,
  concat,
  dispose,
  exp,
  iota,
  key,
  less,
  matmul,
  max,
  mul,
  randomBits,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  upload,
  where,
} from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { agrees, assertSame, EPS, run } from "../../close.js";
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

check(
  "an outer product in many blocks is exact: threads do not meet in scratch memory",
  async (device) => {
    const n = 1200;
    const numbers = Float32Array.from({ length: n }, (_, i) => hash(1, i) % 97);
    const [product] = await run((x: Tensor) => matmul(transpose(x), x), [tensor(numbers, [1, n])], device);
    assertSame(
      product,
      product.map((_, i) => numbers[Math.floor(i / n)] * numbers[i % n]),
    );
  },
  ["cpu"],
);

check(
  "a product of very many rows is exact, and its plan takes no memory for each of them",
  async (device) => {
    const [m, k, n] = [16_500, 259, 9];
    const x = new Float32Array(m * k);
    for (let i = 0, at = 0; i < m; i++) for (let l = 0; l < k; l++) x[at++] = (i % 7) + (l % 3);
    const y = Float32Array.from({ length: k * n }, (_, i) => (Math.floor(i / n) % 5) - (i % n));
    const wanted = Float32Array.from({ length: 7 * n }, (_, at) => {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += (Math.floor(at / n) + (l % 3)) * ((l % 5) - (at % n));
      return sum;
    });
    const [product] = await run((a: Tensor, b: Tensor) => matmul(a, b), [tensor(x, [m, k]), tensor(y, [k, n])], device);
    assertSame(
      product,
      product.map((_, i) => wanted[(Math.floor(i / n) % 7) * n + (i % n)]),
    );
    const rows = 2 ** 22;
    const inputs = [placeholder([rows, 64], "f32"), placeholder([64, 64], "f32")];
    const { constants } = device.plan({ inputs, outputs: [matmul(inputs[0], inputs[1])] }).memory;
    assert.ok(constants < 2 ** 15, `${constants} bytes`);
  },
  ["cpu"],
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
