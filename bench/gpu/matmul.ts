/** Square products, f32 and f16 operands: a few entries against f64 sums, then TFLOP/s; and products of one row, in bytes of weights. */
import assert from "node:assert/strict";
import {
  compile,
  concat,
  type Device,
  dispose,
  evaluate,
  key,
  matmul,
  normal,
  read,
  slice,
  type Tensor,
  transpose,
} from "../../core/index.js";
import { describeAdapters } from "../../kernels/index.js";
import { featuresOf } from "../../kernels/webgpu/adapter/features.js";
import { chosenOf } from "../../kernels/webgpu/adapter/find.js";
import { modeOf } from "../../kernels/webgpu/adapter/modes.js";
import { figure, part, skipped, timed } from "./part.js";

type Product = (a: Tensor, b: Tensor, options?: { readonly operands: "f16" }) => Tensor;
const KINDS = {
  f32: (a: Tensor, b: Tensor): Tensor => matmul(a, b),
  f16: (a: Tensor, b: Tensor): Tensor => (matmul as Product)(a, b, { operands: "f16" }),
} as const;

/** Does matmul know of operands in f16? */
const knowsHalves = (): boolean => {
  const a = normal(key(0), [8, 8]);
  return KINDS.f16(a, a).attrs.operands === "f16";
};

const SIDE = 4;
/** The first and last entries of a product against sums in f64; f16 operands lose 2⁻¹¹ of each term. */
const check = async (kind: keyof typeof KINDS, a: Tensor, b: Tensor, n: number, device: Device): Promise<void> => {
  const out = compile(KINDS[kind], device)(a, b);
  for (const at of [0, n - SIDE]) {
    const corner = [
      [at, at + SIDE],
      [0, n],
    ] as const;
    const cut = (t: Tensor, [rows, columns]: readonly (readonly [number, number])[]) =>
      slice(t, [rows[0], columns[0]], [rows[1], columns[1]]);
    const taken = evaluate(
      [cut(a, corner), cut(b, [corner[1], corner[0]]), cut(out, [corner[0], corner[0]])] as const,
      device,
    );
    const [x, y, z] = await Promise.all(taken.map((t) => read(t)));
    dispose(taken);
    const allowed = (kind === "f32" ? 1e-5 : 2e-3) * Math.sqrt(n) + 1e-5 * n;
    for (let i = 0; i < SIDE; i++)
      for (let j = 0; j < SIDE; j++) {
        let want = 0;
        for (let k = 0; k < n; k++) want += x[i * n + k] * y[k * SIDE + j];
        assert.ok(
          Math.abs(z[i * SIDE + j] - want) < allowed,
          `${kind} ${n} [${i},${j}] ${z[i * SIDE + j]} for ${want}`,
        );
      }
  }
  dispose(out);
};

await part(async ({ device, adapter, drain, software, left }) => {
  const reports = await describeAdapters();
  const { matrices } = featuresOf(reports[adapter === undefined ? 0 : chosenOf(reports, adapter)]);
  const hasMatrices = modeOf() !== "plain" && matrices.some(({ componentType }) => componentType === "f16");
  const notes = {
    f32: undefined,
    f16: hasMatrices ? "the adapter has matrix units of f16" : "no matrix units of f16 here",
  };
  const kinds = knowsHalves() ? (["f32", "f16"] as const) : (["f32"] as const);
  if (kinds.length === 1) skipped("matmul f16", "matmul takes no operands of f16 in this version");
  for (const n of software ? [256, 512, 1024] : [1024, 2048, 4096, 8192])
    for (const kind of kinds) {
      const name = `matmul ${kind} ${n}`;
      if (left() < 5) {
        skipped(name, "no time left");
        continue;
      }
      const [a, b] = evaluate([normal(key(1), [n, n]), normal(key(2), [n, n])], device);
      await check(kind, a, b, n, device);
      const product = compile(KINDS[kind], device);
      const { median } = await timed(() => dispose(product(a, b)), drain, software ? 1 : 2);
      figure(name, (2 * n ** 3) / median / 1e12, "TFLOP/s", {
        note: notes[kind],
        peers: [`matmul_${kind}_${n}_tflops`],
      });
      dispose([a, b]);
    }
  // One token's activations: how fast weights are read, which lie by rows or by columns.
  const n = software ? 512 : 8192;
  for (const isTurned of [true, false]) {
    const name = `matmul f32 1 × ${n}, weights by ${isTurned ? "rows" : "columns"}`;
    if (left() < 5) {
      skipped(name, "no time left");
      continue;
    }
    const [x, w] = evaluate([normal(key(1), [SIDE, n]), normal(key(2), [n, n])], device);
    const product = (rows: Tensor, b: Tensor): Tensor => matmul(rows, isTurned ? transpose(b) : b);
    const one = compile((rows: Tensor, b: Tensor) => product(slice(rows, [0, 0], [1, n]), b), device);
    const [alone, beside] = [one(x, w), evaluate(product(concat(Array.from({ length: 5 }, () => x)), w), device)];
    const [got, want] = [await read(alone), await read(beside)];
    for (const [i, value] of got.entries())
      assert.ok(Math.abs(value - want[i]) < 1e-5 * n, `${name} [${i}]: ${value} for ${want[i]} among others`);
    const { median } = await timed(() => dispose(one(x, w)), drain, software ? 1 : 2);
    figure(name, (4 * n * n) / median / 1e9, "GB/s");
    dispose([x, w, alone, beside]);
  }
});
