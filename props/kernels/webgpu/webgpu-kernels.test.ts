import fc from "fast-check";
import {
  add,
  attention,
  bits,
  cast,
  crossEntropy,
  iota,
  key,
  less,
  matmul,
  max,
  mul,
  rmsnorm,
  softmax,
  sub,
  sum,
  type Tensor,
  transpose,
  where,
} from "../../../core/index.js";
import { agrees, assertSame, EPS, reference, run, withGradient } from "../../close.js";
import { eighths, integers, seeds, shapes, someAxes, viewOf } from "../../generators/generators.js";
import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

const viewed = () => fc.record({ shape: shapes({ rank: 4, size: 5 }), seed: seeds() });

webgpuLaw(
  "maps over strided, broadcast and empty views are the reference's, bit for bit",
  viewed(),
  async ({ shape, seed }, device) => {
    const [x, y, z] = [0, 1, 2].map((i) => viewOf(shape, seed + i));
    const f = (a: Tensor, b: Tensor, c: Tensor) => {
      const [p, q, r] = [x.look(a), y.look(b), z.look(c)];
      const chosen = where(less(p, q), mul(p, q), r);
      const counted = shape.length === 0 ? chosen : add(chosen, cast(iota(shape, shape.length - 1), "f32"));
      return [sub(counted, r), less(p, q)];
    };
    await agrees(f, [x.base, y.base, z.base], device, {});
  },
);

webgpuLaw(
  "reductions over any axes are the reference's",
  fc.record({
    shape: shapes({ rank: 4, size: 6, low: 1 }),
    long: fc.constantFrom(1, 150, 1500),
    at: fc.nat({ max: 4 }),
    seed: seeds(),
  }),
  async ({ shape, long, at, seed }, device) => {
    const full = [...shape.slice(0, at), long, ...shape.slice(at)]; // one axis that is worth cutting, anywhere
    const axes = someAxes(full.length, seed);
    const [x, y] = [viewOf(full, seed), viewOf(full, seed + 1)];
    const f = (a: Tensor, b: Tensor) => {
      const product = mul(x.look(a), y.look(b));
      return [sum(product, axes), max(product, axes), sum(cast(product, "i32"), axes)];
    };
    await agrees(f, [x.base, y.base], device, { rel: 1e-6 });
  },
);

webgpuCheck("a sum of nothing is 0", async (device) => {
  await agrees((x: Tensor) => [sum(x, 1), sum(x, 0), sum(x)], [eighths([3, 0], 1)], device, {});
});

const sizes = () => fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 150 }));

webgpuLaw(
  "matmul with any sizes, transposes and batches is the reference's",
  fc.record({ m: sizes(), k: sizes(), n: sizes(), batch: shapes({ rank: 2, size: 3 }), seed: seeds() }),
  async ({ m, k, n, batch, seed }, device) => {
    const [x, y] = [viewOf([...batch, m, k], seed), viewOf([...batch, k, n], seed + 1)];
    await agrees((a: Tensor, b: Tensor) => matmul(x.look(a), y.look(b)), [x.base, y.base], device, { rel: 1e-6 });
  },
);

webgpuCheck("a long inner axis with few outputs (a weight gradient) is the reference's", async (device) => {
  const [x, ct] = [eighths([3000, 20], 1), eighths([3000, 70], 2)];
  await agrees((a: Tensor, b: Tensor) => matmul(transpose(a), b), [x, ct], device, { rel: 1e-6 });
});

webgpuLaw(
  "random bits are the reference's",
  fc.record({ shape: shapes({ rank: 2, size: 40 }), seed: seeds() }),
  async ({ shape, seed }, device) => {
    const [got] = await run((k: Tensor) => bits(k, shape), [key(seed)], device);
    const [want] = await run((k: Tensor) => bits(k, shape), [key(seed)], reference);
    assertSame(got, want);
  },
  6,
);

const rowShape = () => fc.record({ rows: fc.nat({ max: 6 }), width: fc.constantFrom(1, 7, 70, 600), seed: seeds() });

webgpuLaw(
  "softmax, rmsnorm, crossEntropy and their gradients are their expansions",
  rowShape(),
  async (c, device) => {
    const [x, ct] = [eighths([c.rows, c.width], c.seed), eighths([c.rows, c.width], c.seed + 1)];
    const w = eighths([c.width], c.seed + 2);
    const target = integers([c.rows], c.seed, 0, c.width - 1);
    const rowCt = eighths([c.rows], c.seed + 3);
    const close = { rel: 2e-6, abs: 1e-6 };
    await agrees(
      withGradient((a) => softmax(a)),
      [ct, x],
      device,
      close,
    );
    // At width 1 its gradient is what is left when terms of up to 8·2·2 cancel.
    await agrees(
      withGradient((a, b) => rmsnorm(a, b, 1e-5)),
      [ct, x, w],
      device,
      { rel: 2e-6, abs: 4 * 32 * EPS },
    );
    await agrees(
      (g: Tensor, a: Tensor, t: Tensor) => withGradient((b) => crossEntropy(b, t))(g, a),
      [rowCt, x, target],
      device,
      close,
    );
  },
  6,
);

webgpuLaw(
  "attention and its gradient are their expansions",
  fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    time: fc.integer({ min: 1, max: 6 }),
    slots: fc.integer({ min: 1, max: 9 }),
    groups: fc.integer({ min: 1, max: 2 }),
    share: fc.integer({ min: 1, max: 3 }),
    depth: fc.constantFrom(2, 4, 6, 16),
    seed: seeds(),
  }),
  async ({ batch, time, slots, groups, share, depth, seed }, device) => {
    const heads = groups * share;
    const [q, ct] = [0, 1].map((i) => eighths([batch, time, heads, depth], seed + i));
    const [k, v] = [2, 3].map((i) => eighths([batch, slots, groups, depth], seed + i));
    const position = integers([batch, time], seed, 0, slots); // one past the end sees all
    const f = (g: Tensor, a: Tensor, b: Tensor, c: Tensor, p: Tensor) =>
      withGradient((x, y, z) => attention(x, y, z, p, 0.5))(g, a, b, c);
    await agrees(f, [ct, q, k, v, position], device, { rel: 2e-6, abs: 1e-6 });
  },
  8,
);
