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
} from "../../core/index.js";
import { assertSame, run } from "../close.js";
import { hash, seeds } from "../generators/generators.js";
import { law } from "../law.js";
import { webgpuLaw } from "./webgpu/webgpu-variants.js";

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
