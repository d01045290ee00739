/** Laws of the webgpu device's attention: any head size, groups and lengths; what a query's bits depend on; how long its text is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attention, type Device, type DType, sizeOf, stridesOf, type Tensor, tensor } from "../../../core/index.js";
import type { CallStep, View } from "../../../kernels/plan/steps.js";
import { type Features, NO_FEATURES } from "../../../kernels/webgpu/adapter/features.js";
import { gpu } from "../../../kernels/webgpu/engines/gpu.js";
import { software } from "../../../kernels/webgpu/engines/software.js";
import { units } from "../../../kernels/webgpu/engines/units.js";
import { lower } from "../../../kernels/webgpu/kernels/lower.js";
import type { Kernel } from "../../../kernels/webgpu/wgsl/module.js";
import { createWindows } from "../../../kernels/webgpu/windows/windows.js";
import { agrees, assertClose, assertSame, reference, run, withGradient } from "../../close.js";
import { eighths, hash, integers, seeds } from "../../generators/generators.js";
import { reach } from "../../reach.js";
import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

const gradientOf =
  (scale: number, softCap?: number) => (g: Tensor, a: Tensor, b: Tensor, c: Tensor, p: Tensor, from?: Tensor) =>
    withGradient((x, y, z) => attention(x, y, z, p, scale, { from, softCap }))(g, a, b, c);

// Products of eighths are exact, so that a score has the rounding of its scale alone. A sum goes over up to 3 · 70 queries.
webgpuLaw(
  "attention and its gradient are their expansions: head sizes, groups, lengths that are no multiples of a tile",
  fc.record({
    depth: fc.constantFrom(32, 64, 128, 256, 20, 70),
    groups: fc.integer({ min: 1, max: 2 }),
    share: fc.integer({ min: 1, max: 3 }),
    time: fc.constantFrom(1, 9, 37, 70),
    more: fc.constantFrom(0, 5, 40),
    softCap: fc.constantFrom(undefined, 0.5),
    isBounded: fc.boolean(),
    seed: seeds(),
  }),
  async ({ depth, groups, share, time, more, softCap, isBounded, seed: drawn }, device) => {
    const [heads, slots] = [groups * share, time + more];
    const [q, ct] = [0, 1].map((i) => eighths([1, time, heads, depth], drawn + i));
    const [k, v] = [2, 3].map((i) => eighths([1, slots, groups, depth], drawn + i));
    const position = integers([1, time], drawn, 0, slots);
    const bounds = [position, ...(isBounded ? [integers([1, time], drawn + 4, -2, slots)] : [])]; // some see nothing
    await agrees(gradientOf(1 / depth, softCap), [ct, q, k, v, ...bounds], device, { rel: 5e-6, abs: 5e-6 });
  },
  4,
);

/** Numbers of f32 that use all of their digits, so that the order of a sum shows. */
const numbers = (size: number, from: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => hash(from, i) / 2 ** 31 - 1);

webgpuLaw(
  "a query is the same bits whatever sequences and later tokens are beside it, and slots that nobody sees hold",
  fc.record({
    depth: fc.constantFrom(16, 64),
    share: fc.integer({ min: 1, max: 2 }),
    few: fc.constantFrom(1, 5, 33),
    many: fc.constantFrom(34, 66, 100),
    seed: seeds(),
  }),
  async ({ depth, share, few, many, seed: drawn }, device: Device) => {
    const [heads, groups] = [2 * share, 2];
    const all = [heads, heads, groups, groups].map((n, i) => numbers(2 * many * n * depth, drawn + i));
    const of = async (batch: number, time: number, unused = 0) => {
      const given = [heads, heads, groups, groups].map((n, i) => {
        const more = i < 2 ? 0 : unused;
        const nobodys = new Float32Array(more * n * depth).fill(Number.NaN);
        const numbers = [...all[i].subarray(0, batch * time * n * depth), ...nobodys];
        return tensor(Float32Array.from(numbers), [batch, time + more, n, depth]);
      });
      const places = Int32Array.from({ length: batch * time }, (_, i) => i % time);
      const [ct, q, k, v] = given;
      return run(gradientOf(0.3), [ct, q, k, v, tensor(places, [batch, time])], device);
    };
    const [alone, later, beside] = [await of(1, few), await of(1, many), await of(2, many)];
    const amid = await of(1, few, 40);
    for (const [i, numbers] of alone.entries()) {
      assertSame(amid[i].slice(0, numbers.length), numbers, `result ${i}: slots that nobody sees`);
      assertSame(
        amid[i].slice(numbers.length),
        new Float32Array(amid[i].length - numbers.length),
        `result ${i}: theirs`,
      );
    }
    for (const i of [0, 1]) {
      assertSame(later[i].slice(0, alone[i].length), alone[i], `${i === 0 ? "value" : "dq"}: later tokens`);
      assertSame(beside[i].slice(0, later[i].length), later[i], `${i === 0 ? "value" : "dq"}: another sequence`);
    }
    for (const i of [2, 3]) assertSame(beside[i].slice(0, later[i].length), later[i], `d${"qkv"[i - 1]}`);
  },
  2,
);

webgpuCheck(
  "a query over a long cache is the expansion, and the same bits whether spans of slots have workgroups of their own or one goes over all",
  async (device) => {
    const [batch, slots, heads, groups, depth] = [16, 1060, 8, 8, 4]; // 128 workgroups, and 40
    const floats = (shape: readonly number[], seed: number) =>
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => hash(seed, i) / 2 ** 30 - 2);
    const [q, k, v] = [
      [batch, 1, heads, depth],
      [batch, slots, groups, depth],
      [batch, slots, groups, depth],
    ].map(floats);
    // Nothing, a part of the first span, all of it, one slot more, all; nor do the others see anything.
    const position = Int32Array.from({ length: batch }, (_, b) => [-1, 40, 1023, 1024, slots - 1][b] ?? -1);
    const from = Int32Array.from({ length: batch }, (_, b) => [0, 1030, 900, 7][b % 4]);
    // Both only in campaigns: kernels take long to compile here.
    for (const isBounded of [true, false].slice(0, reach)) {
      const of = (count: number, on: Device) => {
        const some = (x: Float32Array, shape: readonly number[]) =>
          tensor(x.subarray(0, count * sizeOf(shape)), [count, ...shape]);
        const bounds = [position, ...(isBounded ? [from] : [])].map((x) => tensor(x.subarray(0, count), [count, 1]));
        const f = (a: Tensor, b: Tensor, c: Tensor, at: Tensor, begin?: Tensor) => [
          attention(a, b, c, at, 0.3, { from: begin, softCap: isBounded ? 4 : undefined }),
        ];
        const given = [some(q, [1, heads, depth]), some(k, [slots, groups, depth]), some(v, [slots, groups, depth])];
        return run(f, [...given, ...bounds] as [Tensor, Tensor, Tensor, Tensor], on);
      };
      const [[beside], [alone], [want]] = [await of(batch, device), await of(5, device), await of(5, reference)];
      assertSame(beside.slice(0, alone.length), alone, isBounded ? "from some slot on" : "from the first slot on");
      assertClose(alone, want, { rel: 5e-6, abs: 5e-6 });
    }
  },
  ["gpu"],
);

/** What kernels are written for: an adapter that runs on the CPU, a GPU, one with matrix units. */
type On = "cpu" | "gpu" | "units";
const ENGINES = { cpu: software, gpu, units };
const UNITS = { m: 16, n: 16, k: 16, componentType: "f16", resultType: "f32" };
const featuresFor = (on: On): Features => ({
  ...NO_FEATURES,
  ...(on === "units" && { f16: true, subgroups: true, matrices: [UNITS] }),
});

interface Written {
  readonly on: On;
  /** Invocations of a subgroup: scores are products where that is 4, on the CPU. */
  readonly subgroup: number;
  readonly depth: number;
  readonly share: number;
  readonly dtype: DType;
  readonly softCap: number | undefined;
  /** Bytes of workgroup memory that the adapter has. */
  readonly memory: number;
  /** Sequences, and queries of each; default: 2 of 50. */
  readonly rows?: readonly [number, number];
}

/** The kernels of attention and of its gradient, as they are written for heads of `depth` numbers. */
const kernelsOf = ({ on, subgroup, depth, share, dtype, softCap, memory, rows = [2, 50] }: Written): Kernel[] => {
  const view = (buffer: number, shape: readonly number[]): View => ({
    ...{ buffer, shape, strides: stridesOf(shape), offset: 0 },
  });
  const [q, k] = [
    [...rows, 2 * share, depth],
    [rows[0], rows[1] + 10, 2, depth],
  ];
  const bounds = (softCap === undefined ? [3] : [3, 6]).map((buffer) => view(buffer, q.slice(0, 2)));
  const inputs = [view(0, q), view(1, k), view(2, k), ...bounds];
  const windows = createWindows([], { binding: 2 ** 30, alignment: 256, bindings: 12 });
  const kernels = (name: string, of: readonly View[], dtypes: readonly DType[], size: readonly number[]) => {
    const call: CallStep = {
      kind: "call",
      name,
      inputs: of,
      dtypes,
      attrs: { scale: 1, softCap, operands: on === "units" ? "f16" : undefined },
      output: view(5, size),
    };
    return lower(call, {
      wide: on !== "cpu",
      subgroup,
      features: featuresFor(on),
      kernelSet: ENGINES[on].kernelSet,
      limits: { maxComputeWorkgroupStorageSize: memory },
      windows,
      mostBindings: 12,
      scratch: () => 0,
    });
  };
  const dtypes: DType[] = [dtype, dtype, dtype, ...bounds.map(() => "i32" as const)];
  return [
    ...kernels("attention", inputs, dtypes, q),
    ...kernels("attention.vjp", [view(4, q), ...inputs], ["f32", ...dtypes], [sizeOf(q) + 2 * sizeOf(k)]),
  ];
};

const BYTES: Readonly<Record<string, number>> = { u32: 4, f32: 4, f16: 2, "vec4<f32>": 16, "vec4<f16>": 8 };
/** Bytes of a kernel's workgroup memory. */
const workgroupBytes = (code: string): number =>
  [...code.matchAll(/var<workgroup> \w+: (?:array<(.+), (\d+)>|atomic<u32>);/g)].reduce(
    (sum, [, type, count]) => sum + (BYTES[type ?? "u32"] as number) * Number(count ?? 1),
    0,
  );

// Text that grew with the head took a driver minutes to compile.
test("no kernel of attention is longer than 26 000 characters or 640 lines, whatever the head size; workgroup memory does, with matrix units too", () => {
  const cases: fc.Arbitrary<Written> = fc.record({
    depth: fc.integer({ min: 1, max: 2000 }),
    memory: fc.constantFrom(16_384, 32_768), // least that WebGPU promises; more is taken where it is
    on: fc.constantFrom<On>("cpu", "gpu", "units"),
    subgroup: fc.constantFrom(4, 32),
    share: fc.integer({ min: 1, max: 8 }),
    dtype: fc.constantFrom<DType>("f32", "bf16", "f16"),
    softCap: fc.constantFrom(undefined, 2), // and a lower bound
  });
  fc.assert(
    fc.property(cases, (written) => {
      const { on, memory, share } = written;
      const subgroup = on === "cpu" ? written.subgroup : 32;
      const made = kernelsOf({ ...written, subgroup });
      assert.equal(made.length, subgroup === 4 ? 7 + 2 * share : 3);
      for (const { label, code } of made) {
        const lines = code.split("\n").length;
        assert.ok(code.length <= 26_000 && lines <= 640, `${label}: ${code.length} characters, ${lines} lines`);
        const shared = code.match(/var<workgroup>/g)?.length ?? 0;
        assert.equal(shared > 0, on !== "cpu");
        assert.equal(code.includes("subgroupMatrixMultiplyAccumulate"), on === "units");
        const bytes = workgroupBytes(code);
        assert.ok(bytes <= memory, `${label}: ${bytes} bytes of ${memory}`);
      }
    }),
    { numRuns: 100 },
  );
});

test("scores that are products are held in pieces, and in few of them however many there are", () => {
  const sizes = { depth: 8, share: 1, dtype: "f32", softCap: undefined, memory: 16_384 } as const;
  const countOf = (rows: readonly [number, number]) => kernelsOf({ on: "cpu", subgroup: 4, ...sizes, rows }).length;
  const one = 9;
  assert.equal(countOf([2, 1000]), one);
  assert.equal(countOf([4, 1000]), 2 * one);
  assert.equal(countOf([1, 2500]), 4 * one);
  assert.ok(countOf([4096, 500]) <= 64 * one);
});
