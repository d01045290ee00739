/** Attention of operands rounded to f16: on matrix units, and elsewhere by kernels that are given rounded ones. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { attention, cast, constantData, type Device, sizeOf, type Tensor, tensor } from "../../core/index.js";
import { assertClose, assertSame, reference, run, withGradient } from "../close.js";
import { hash, integers, seeds } from "../generators/generators.js";
import { law } from "../law.js";
import { hasUnits, webgpuCheck, webgpuLaw } from "./webgpu/webgpu-variants.js";

/** Numbers of three digits: f16 cannot hold them. */
const floats = (shape: readonly number[], seed: number, most = 1): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => (hash(seed, i) / 2 ** 31 - 1) * most),
    shape,
  );

interface Case {
  readonly depth: number;
  readonly share: number;
  readonly time: number;
  readonly more: number;
  /** Size of cotangents. */
  readonly size: number;
  readonly isBounded: boolean;
  readonly seed: number;
}
const cases = (depth: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.record({
    depth,
    share: fc.integer({ min: 1, max: 2 }),
    time: fc.constantFrom(1, 9, 70),
    more: fc.constantFrom(0, 40),
    size: fc.constantFrom(1e-9, 1, 1e6),
    isBounded: fc.boolean(),
    seed: seeds(),
  });

/**
 * Weights, changes of scores and cotangents lose 2⁻¹² each, and sums of them no more: 2⁻⁹ of the largest number of a result is
 * room enough. Cotangents of any size: a device that rounds them brings them into f16's range.
 */
const isOfRounded = async (it: Case, device: Device): Promise<void> => {
  const { depth, share, time, more, size, isBounded, seed } = it;
  const slots = time + more;
  const [q, k, v] = [
    floats([1, time, 2 * share, depth], seed, 2),
    ...[1, 2].map((i) => floats([1, slots, 2, depth], seed + i, 2)),
  ];
  const ct = floats([1, time, 2 * share, depth], seed + 3, size);
  const bounds = [
    integers([1, time], seed, 0, slots),
    ...(isBounded ? [integers([1, time], seed + 4, -2, slots)] : []),
  ];
  const of =
    (operands: "f32" | "f16", softCap = isBounded ? 3 : undefined) =>
    (g: Tensor, a: Tensor, b: Tensor, c: Tensor, position: Tensor, from?: Tensor) =>
      withGradient((x, y, z) => attention(x, y, z, position, 0.3, { from, softCap, operands }))(g, a, b, c);
  const rounded = (g: Tensor, a: Tensor, b: Tensor, c: Tensor, position: Tensor, from?: Tensor) => {
    const [x, y, z] = [a, b, c].map((one) => cast(cast(one, "f16"), "f32"));
    return of("f32")(g, x, y, z, position, from);
  };
  type Given = [Tensor, Tensor, Tensor, Tensor, Tensor];
  const given = [ct, q, k, v, ...bounds] as Given;
  const [got, want] = [await run(of("f16"), given, device), await run(rounded, given, reference)];
  want.forEach((numbers, i) => {
    assertClose(got[i], numbers, { rel: 2 ** -9 }, `result ${i}`);
  });
};

const name = "attention of f16 operands is that of rounded ones: values, and gradients of cotangents of any size";
law(name, cases(fc.constantFrom(2, 8)), isOfRounded, { on: ["cpu"], effort: 0.5 });
// Elsewhere operands are rounded by the same map as on cpu.
if (hasUnits) webgpuLaw(name, cases(fc.constantFrom(20, 64, 128)), isOfRounded, 4);

if (hasUnits)
  webgpuCheck("activations of 1e4 make no NaN in attention of f16 operands", async (device) => {
    const shape = [1, 40, 2, 64];
    const [q, k, v, ct] = [0, 1, 2, 3].map((i) => floats(shape, i, 1e4));
    const position = tensor(
      Int32Array.from({ length: 40 }, (_, i) => i),
      [1, 40],
    );
    const f = (g: Tensor, a: Tensor, b: Tensor, c: Tensor) =>
      withGradient((x, y, z) => attention(x, y, z, position, 0.125, { operands: "f16" }))(g, a, b, c);
    const results = await run(f, [ct, q, k, v], device);
    for (const [i, numbers] of results.entries())
      assert.ok(
        Array.from(numbers).every((x) => Number.isFinite(x)),
        `result ${i}`,
      );
  });

if (hasUnits)
  webgpuCheck(
    "a query of f16 operands is the same bits whatever later tokens are beside it, and every time",
    async (device) => {
      const [few, many, depth] = [33, 70, 64];
      const all = [0, 1, 2].map((i) => floats([1, many, 2, depth], i));
      const of = (time: number) => {
        const given = all.map((x) => tensor(constantData(x).data.slice(0, time * 2 * depth), [1, time, 2, depth]));
        const position = tensor(
          Int32Array.from({ length: time }, (_, i) => i),
          [1, time],
        );
        return run(
          (q: Tensor, k: Tensor, v: Tensor) => attention(q, k, v, position, 0.3, { operands: "f16" }),
          given as [Tensor, Tensor, Tensor],
          device,
        );
      };
      const [[short], [long], [again]] = [await of(few), await of(many), await of(many)];
      assertSame(long.slice(0, short.length), short, "later tokens");
      assertSame(again, long, "again");
    },
  );
