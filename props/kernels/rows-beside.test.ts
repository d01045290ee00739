/** What is computed of a row is the same bits whatever other rows there are, and however many. */
import fc from "fast-check";
import {
  add,
  type Device,
  matmul,
  max,
  mul,
  reshape,
  rmsnorm,
  softmax,
  sum,
  type Tensor,
  tensor,
  transpose,
} from "../../core/index.js";
import { assertSame, run } from "../close.js";
import { hash, seeds } from "../generators/generators.js";
import { law } from "../law.js";
import { webgpuCheck, webgpuLaw } from "./webgpu/webgpu-variants.js";

interface Case {
  /** Rows, in eights: kernels for fewer may add in another order. */
  readonly few: number;
  readonly many: number;
  readonly inner: number;
  readonly n: number;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  few: fc.constantFrom(1, 3),
  many: fc.constantFrom(4, 40, 130),
  inner: fc.constantFrom(40, 300, 1100, 2500),
  n: fc.constantFrom(5, 70, 200),
  seed: seeds(),
});

const numbers = (size: number, seed: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => hash(seed, i) / 2 ** 31 - 1);

const holds = async ({ few, many, inner, n, seed }: Case, device: Device): Promise<void> => {
  const all = numbers(8 * many * inner, seed);
  const [w, bias] = [tensor(numbers(inner * n, seed + 1), [inner, n]), tensor(numbers(n, seed + 2), [n])];
  const f = (x: Tensor, y: Tensor, b: Tensor, scale: Tensor) => [
    ...[matmul(x, y), add(mul(matmul(x, y), 2), b), sum(mul(x, x), 1), max(x, 1)],
    sum(reshape(x, [x.shape[0], inner / 2, 2]), 1),
    ...[softmax(x), rmsnorm(x, scale, 1e-5)],
  ];
  const of = (rows: number) =>
    run(f, [tensor(all.subarray(0, 8 * rows * inner), [8 * rows, inner]), w, bias, tensor(numbers(inner, 3))], device);
  const [alone, beside] = [await of(few), await of(many)];
  for (const [i, part] of alone.entries()) assertSame(beside[i].slice(0, part.length), part, `output ${i}`);
};

law("a row is the same bits whatever rows are beside it", cases, holds, { on: ["cpu"], effort: 0.3 });
webgpuLaw("a row is the same bits whatever rows are beside it", cases, holds, 4);

/** A product of few rows has a kernel of its own on GPUs. */
const FEW = [
  { rows: [1, 6], inner: 2500, n: 70, dtype: "bf16", turned: true, batch: [] },
  { rows: [3], inner: 300, n: 68, dtype: "f32", turned: false, batch: [2] },
  { rows: [2], inner: 41, n: 7, dtype: "f16", turned: true, batch: [2] },
] as const;
webgpuCheck(
  "rows of a product are the same bits alone, a few, and among many, however the other operand is stored and turned",
  async (device) => {
    for (const { rows, inner, n, dtype, turned, batch } of FEW) {
      const w = tensor(numbers(inner * n, 1), turned ? [n, inner] : [inner, n], dtype);
      const all = numbers(2 * 40 * inner, 2);
      const f = (x: Tensor, y: Tensor, b: Tensor) => [add(mul(matmul(x, turned ? transpose(y) : y), 2), b)];
      const of = (count: number) => {
        const some = [0, 1]
          .slice(0, batch.length === 0 ? 1 : 2)
          .flatMap((i) => [...all.subarray(40 * i * inner, (40 * i + count) * inner)]);
        const x = tensor(Float32Array.from(some), [...batch, count, inner]);
        return run(f, [x, w, tensor(numbers(n, 3), [n])], device);
      };
      const many = await of(40);
      for (const count of rows)
        for (const few of await of(count))
          for (let at = 0; at < few.length; at += count * n)
            assertSame(
              few.slice(at, at + count * n),
              many[0].slice(40 * (at / count), 40 * (at / count) + count * n),
              `${count} rows by ${inner}`,
            );
    }
  },
  ["gpu"],
);
