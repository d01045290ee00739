import {
  add,
  attention,
  bits,
  broadcastTo,
  cast,
  compile,
  concat,
  crossEntropy,
  type Device,
  dispose,
  exp,
  gather,
  type HalfType,
  key,
  matmul,
  max,
  mul,
  permute,
  read,
  reshape,
  rmsnorm,
  roundRandom,
  scatterAdd,
  softmax,
  sum,
  type Tensor,
  type Tree,
  tensor,
  topkMask,
  transpose,
  unitInterval,
  upload,
  vjp,
  where,
} from "../../../core/index.js";
import { eighths, hash, integers } from "../../generators/generators.js";

/** Eighths in 16 bits. */
const stored = ([n, d]: readonly [number, number], seed: number, dtype: HalfType): Tensor =>
  tensor(
    Float32Array.from({ length: n * d }, (_, i) => ((hash(seed, i) % 33) - 16) / 8),
    [n, d],
    dtype,
  );

/** Everything that the device has a kernel for, on sizes that are worth several blocks. */
export const programs: Record<
  string,
  (n: number, d: number, s: number) => { inputs: Tensor[]; f: (...xs: Tensor[]) => Tensor[] }
> = {
  maps: (n, d, s) => ({
    inputs: [eighths([n, d], s), eighths([d, n], s + 1), eighths([d], s + 2)],
    f: (x, y, b) => [
      exp(add(x, transpose(y))),
      mul(x, broadcastTo(b, [n, d])),
      concat([x, transpose(y)], 0),
      unitInterval(bits(key(s), [n, d])),
    ],
  }),
  reductions: (n, d, s) => ({
    inputs: [eighths([n, d], s), eighths([d, n], s + 1)],
    f: (x, y) => [sum(x), max(x), sum(x, 0), sum(x, 1), sum(mul(x, transpose(y)), 1), sum(cast(x, "i32")), sum(y, 1)],
  }),
  products: (n, d, s) => ({
    inputs: [eighths([n, d], s), eighths([n, d], s + 1), eighths([3, 40, 40], s + 2), eighths([5, n], s + 3)],
    f: (x, y, b, z) => [
      matmul(x, transpose(y)),
      matmul(transpose(x), y),
      matmul(b, permute(b, [0, 2, 1])),
      matmul(z, x),
      matmul(transpose(x), reshape(sum(y, 1), [n, 1])),
    ],
  }),
  rows: (n, d, s) => ({
    inputs: [eighths([n, d], s), eighths([d], s + 1)],
    f: (x, w) => {
      const target = integers([n], s, 0, d - 1);
      const all = (a: Tensor, b: Tensor) => [
        softmax(a),
        rmsnorm(a, b, 1e-5),
        broadcastTo(reshape(crossEntropy(a, target), [n, 1]), [n, d]),
      ];
      const [y, back] = vjp((a: Tensor, b: Tensor) => concat(all(a, b), 0), x, w);
      return [y, ...(back(eighths(y.shape, 5)) as Tensor[])];
    },
  }),
  attention: (n, d, s) => ({
    inputs: [eighths([2, 40 + (n % 50), 4, 16], s), eighths([2, 70, 2, 16], s + 1), eighths([2, 70, 2, 16], s + 2)],
    f: (q, k, v) => {
      const position = integers([2, 40 + (n % 50)], s, 0, 69);
      const [y, back] = vjp((a: Tensor, b: Tensor, c: Tensor) => attention(a, b, c, position, 0.25), q, k, v);
      return [y, ...(back(eighths(y.shape, d)) as Tensor[])];
    },
  }),
  indices: (n, d, s) => ({
    inputs: [eighths([n, d], s), integers([n], s, -1, n)],
    f: (x, ids) => [gather(x, ids), scatterAdd(ids, x, n), topkMask(x, (n * d) >> 3), where(topkMask(x, 7), x, 0)],
  }),
  halves: (n, d, s) => ({
    inputs: [stored([n, d], s, "bf16"), stored([n, d], s + 1, "f16"), integers([n], s, -1, n)],
    f: (x, y, ids) => [
      matmul(x, transpose(y)),
      matmul(transpose(y), x),
      cast(gather(x, ids), "f32"),
      cast(exp(cast(transpose(y), "f32")), "bf16"),
      roundRandom(cast(y, "f32"), bits(key(s), [n, d]), "f16"),
      sum(cast(x, "f32"), 0),
    ],
  }),
};

/** What a device makes of a program, as text. */
export const bytesOf = async (
  device: Device,
  inputs: Tensor[],
  f: (...xs: Tensor[]) => Tensor[],
): Promise<string[]> => {
  const given = inputs.map((x) => upload(x, device));
  const program = compile(f as (...xs: Tensor[]) => Tree, device);
  const out = program(...given) as Tensor[];
  const numbers = await Promise.all(out.map(read));
  dispose([...given, ...out]);
  for (const built of program.programs()) built.free();
  return numbers.map((x) => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("base64"));
};
