/** Laws of windows: limits drawn down, so that steps are cut, change no bit of any result. */
import { after, test } from "node:test";
import fc from "fast-check";
import {
  add,
  addRows,
  attention,
  bits,
  broadcastTo,
  cast,
  crossEntropy,
  type Device,
  DeviceError,
  gather,
  iota,
  key,
  type MatmulOptions,
  matmul,
  max,
  mul,
  reshape,
  rmsnorm,
  roundRandom,
  scatterAdd,
  softmax,
  sum,
  type Tensor,
  tensor,
  tokenScores,
  topkMask,
  transpose,
} from "../../../core/index.js";
import { openWebgpu } from "../../../kernels/index.js";
import type { Limits } from "../../../kernels/webgpu/adapter/limits.js";
import { randomGraphs } from "../../../testing/random-graphs.js";
import { assertSame, run, withGradient } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { eighths, hash, integers, seeds, shapes, someAxes, viewOf } from "../../generators/generators.js";
import { tries } from "../../reach.js";

const opened: Promise<Device>[] = [];
after(async () => {
  for (const device of opened) await (await device).close();
});
const open = (kernels: "gpu" | "cpu", limits: Partial<Limits> = {}): Promise<Device> => {
  const device = openWebgpu({ kernels, limits });
  opened.push(device);
  return device;
};

const isHere = (await presentDevices()).includes("webgpu");
const free = { gpu: isHere ? open("gpu") : undefined, cpu: isHere ? open("cpu") : undefined };

/** Numbers of f32 that use all of their digits, so that the order of a sum shows. */
const floats = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => hash(seed, i) / 2 ** 31 - 1),
    shape,
  );

interface Case {
  readonly f: (...given: Tensor[]) => Tensor[];
  readonly given: Tensor[];
}

/** A law on cases that are run with and without limits, by both sets of kernels: the same bits. Kernels for GPUs compile twice as long. */
const windowsLaw = (name: string, limits: Partial<Limits>, cases: fc.Arbitrary<Case>, count = 4): void => {
  if (!isHere) return;
  for (const kernels of ["gpu", "cpu"] as const)
    test(`${name}: kernels for ${kernels} [webgpu]`, async () => {
      const [tight, wide] = [await open(kernels, limits), await (free[kernels] as Promise<Device>)];
      await fc.assert(
        fc.asyncProperty(cases, async ({ f, given }) => {
          const got = await run(f, given, tight).catch((error) => {
            if (error instanceof DeviceError && /cannot be cut to fit/.test(error.message)) fc.pre(false);
            throw error;
          });
          const want = await run(f, given, wide);
          for (const [i, numbers] of want.entries()) assertSame(got[i], numbers);
        }),
        { numRuns: tries(kernels === "gpu" ? count / 2 : count) },
      );
    });
};

const KIB = (binding: number): Partial<Limits> => ({ maxStorageBufferBindingSize: binding * 1024 });

windowsLaw(
  "maps over permuted, broadcast and sliced views, with indices and random bits",
  { ...KIB(1), maxComputeWorkgroupsPerDimension: 8 },
  fc
    .record({ shape: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 4 }), seed: seeds() })
    .map(({ shape, seed }) => {
      const [x, y] = [viewOf(shape, seed), viewOf(shape, seed + 1)];
      const f = (a: Tensor, b: Tensor, k: Tensor) => {
        const counted = add(x.look(a), cast(iota(shape, shape.length - 1), "f32"));
        return [mul(counted, y.look(b)), add(bits(k, shape), iota(shape, 0, "u32"))];
      };
      return { f: f as Case["f"], given: [x.base, y.base, key(seed)] };
    }),
);

for (const kib of [1, 6])
  windowsLaw(
    `reductions: kept and reduced axes, chunks and pieces of chunks, windows of ${kib} KiB`,
    KIB(kib),
    fc
      .record({
        shape: shapes({ rank: 3, size: 6, low: 1 }),
        long: fc.constantFrom(70, 600, 2500, 6000),
        at: fc.nat({ max: 3 }),
        seed: seeds(),
      })
      .map(({ shape, long, at, seed }) => {
        const full = [...shape.slice(0, at), long, ...shape.slice(at)];
        const axes = someAxes(full.length, seed);
        const f = (a: Tensor) => [sum(a, axes), max(mul(a, a), axes), sum(add(a, cast(iota(full, 0), "f32")))];
        return { f: f as Case["f"], given: [floats(full, seed)] };
      }),
    10,
  );

const side = () => fc.integer({ min: 1, max: 40 });
/** Products and their transposes, with an epilogue and without. */
const productCases = (options: MatmulOptions = {}) =>
  fc
    .record({
      m: side(),
      k: fc.oneof(side(), fc.constant(300)),
      n: side(),
      batch: fc.integer({ min: 1, max: 2 }),
      seed: seeds(),
    })
    .map(({ m, k, n, batch, seed }): Case => {
      const f = (a: Tensor, b: Tensor, bias: Tensor) => [
        seed % 2 === 0 ? matmul(a, b, options) : add(mul(matmul(a, b, options), 2), bias),
        matmul(transpose(b), transpose(a), options),
      ];
      return {
        f: f as Case["f"],
        given: [floats([batch, m, k], seed), floats([batch, k, n], seed + 1), floats([n], seed)],
      };
    });
windowsLaw(
  "products: batches, rows, columns, and inner sums that go on from memory",
  KIB(2),
  productCases(),
  3, // a software adapter takes a second for each variant of the tiled kernel
);
windowsLaw("products of f16 operands", KIB(2), productCases({ operands: "f16" }), 2);

windowsLaw(
  "gather and scatterAdd by rows of the table and by positions",
  KIB(1),
  fc
    .record({
      rows: fc.integer({ min: 1, max: 200 }),
      n: fc.nat({ max: 300 }),
      width: fc.integer({ min: 1, max: 20 }),
      few: fc.boolean(),
      seed: seeds(),
    })
    .map(({ rows, n, width, few, seed }) => {
      const ids = integers([n], seed, -2, few ? 2 : rows + 1);
      const f = (table: Tensor, i: Tensor, updates: Tensor) => [
        ...[gather(table, i), scatterAdd(i, updates, rows)],
        ...(rows === table.shape[0] ? [addRows(table, i, updates)] : []),
      ];
      return { f: f as Case["f"], given: [floats([rows, width], seed), ids, floats([n, width], seed + 1)] };
    }),
);

windowsLaw(
  "topkMask by windows over each pass",
  KIB(12),
  fc
    .record({
      size: fc.constantFrom(5000, 40_000),
      share: fc.nat({ max: 8 }),
      most: fc.constantFrom(1, 40),
      seed: seeds(),
    })
    .map(({ size, share, most, seed }) => ({
      f: (x: Tensor) => [topkMask(x, Math.floor((size * share) / 8))],
      given: [eighths([size], seed, most)],
    })),
  3,
);

windowsLaw(
  "softmax, rmsnorm, losses and their gradients by rows",
  KIB(2),
  fc
    .record({ rows: fc.integer({ min: 1, max: 60 }), width: fc.constantFrom(1, 7, 70, 400), seed: seeds() })
    .map((c) => {
      const f = (ct: Tensor, x: Tensor, w: Tensor, t: Tensor, rowCt: Tensor) => [
        ...withGradient((a) => softmax(a))(ct, x),
        ...withGradient((a, b) => rmsnorm(a, b, 1e-5))(ct, x, w),
        ...withGradient((a) => crossEntropy(a, t))(rowCt, x),
        ...withGradient((a) => tokenScores(a, t))(broadcastTo(reshape(rowCt, [c.rows, 1]), [c.rows, 3]), x),
      ];
      const [ct, x] = [floats([c.rows, c.width], c.seed), floats([c.rows, c.width], c.seed + 1)];
      const target = integers([c.rows], c.seed, 0, c.width - 1);
      return { f: f as Case["f"], given: [ct, x, floats([c.width], 3), target, floats([c.rows], 4)] };
    }),
);

windowsLaw(
  "attention and its gradient by sequences",
  KIB(2),
  fc
    .record({
      batch: fc.integer({ min: 1, max: 8 }),
      time: fc.integer({ min: 1, max: 5 }),
      slots: fc.integer({ min: 1, max: 9 }),
      seed: seeds(),
    })
    .map(({ batch, time, slots, seed }) => {
      const [q, ct] = [0, 1].map((i) => floats([batch, time, 4, 6], seed + i));
      const [k, v] = [2, 3].map((i) => floats([batch, slots, 2, 6], seed + i));
      const f = (g: Tensor, a: Tensor, b: Tensor, c: Tensor, p: Tensor, from: Tensor) =>
        withGradient((x, y, z) => attention(x, y, z, p, 0.5, { from }))(g, a, b, c);
      const [position, from] = [0, 1].map((i) => integers([batch, time], seed + i, 0, slots));
      return { f: f as Case["f"], given: [ct, q, k, v, position, from] };
    }),
);

windowsLaw(
  "random graphs",
  KIB(1),
  randomGraphs().map(({ leaves, build }) => ({
    f: (...given) => build(given).map(({ x }) => x),
    given: leaves.map(({ x }) => x),
  })),
  40,
);

windowsLaw(
  "16-bit storage: read and written by windows, rows of odd lengths too",
  KIB(1),
  fc
    .record({ rows: side(), width: side(), to: fc.constantFrom("bf16" as const, "f16" as const), seed: seeds() })
    .map(({ rows, width, to, seed }) => {
      const f = (x: Tensor, ids: Tensor, k: Tensor) => {
        const stored = cast(mul(x, 1.1), to);
        const random = roundRandom(transpose(x), bits(k, [width, rows]), to);
        return [
          ...[stored, random, cast(mul(stored, 3), to), gather(stored, ids), matmul(stored, random)],
          ...[sum(random, 0), softmax(stored), scatterAdd(ids, stored, 50)],
        ];
      };
      const given = [floats([rows, width], seed), integers([rows], seed, 0, rows - 1), key(seed)];
      return { f: f as Case["f"], given };
    }),
  3,
);
