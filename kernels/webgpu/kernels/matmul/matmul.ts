import { DeviceError, sizeOf } from "../../../../core/index.js";
import type { MatmulStep, ReduceStep, View } from "../../../plan/steps.js";
import { type Kernel, scratch } from "../../wgsl/module.js";
import { viewIn } from "../../windows/box.js";
import { matmulParts, placedMatmul, touchedByMatmul } from "../../windows/matmul.js";
import { reads, type Touched, writes } from "../../windows/windows.js";
import { epilogueMap, epilogueOfZero } from "../epilogue.js";
import type { Lowering } from "../lowering.js";
import { mapKernels } from "../map.js";
import { reduceKernels } from "../reduce.js";
import { matrixKernel } from "./matrices.js";
import { matrixTiles } from "./matrix-tiles.js";
import { registerKernel } from "./register.js";
import { tiledKernel } from "./tiled.js";
import { chosen, fastest, innerCut } from "./tiles.js";
import { unitsOf } from "./units.js";

/** On matrix units. The inner axis is never cut into parts: two sums of matrices cannot be added in registers. */
const matrixKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const { windows } = lowering;
  const units = unitsOf(lowering);
  if (units === undefined)
    throw new DeviceError("webgpu: a product of f16 operands was planned where there are no matrix units");
  const tile = fastest(step, matrixTiles(units, lowering.limits, lowering.layouts), lowering.rates);
  if (windows.fits(touchedByMatmul(step)))
    return [matrixKernel({ step: placedMatmul(step, windows), continues: false }, units, tile)];
  const { product, finish } = finishedLater(step, 0, lowering);
  const parts = matmulParts(product, windows, units.shape.k);
  return [...parts.map((part) => matrixKernel(part, units, tile)), ...finish];
};

/** Where tiles are few (weight gradients), each part of the inner axis is a product of its own, and they are added afterwards. */
const tiledKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const cut = innerCut(step);
  const { parts, length } = cut;
  const { windows } = lowering;
  const { tile, apart } = chosen(step, cut, lowering.tiles, lowering.rates);
  const bare: MatmulStep = { ...step, epilogue: undefined };
  const inner = step.a.shape[step.a.shape.length - 1];
  if (!apart && windows.fits(touchedByMatmul(step))) {
    const part = { step: placedMatmul(step, windows), continues: false };
    return [tiledKernel(part, tile, { parts: 1, length: inner, together: length })];
  }
  const alone = (product: MatmulStep) =>
    matmulParts(product, windows).map((part) => {
      const whole = part.step.a.shape[part.step.a.shape.length - 1];
      return tiledKernel(part, tile, { parts: 1, length: whole, together: whole });
    });
  if (parts === 1) {
    const { product, finish } = finishedLater(step, 0, lowering);
    return [...alone(product), ...finish];
  }
  const size = sizeOf(step.output.shape);
  const from = lowering.scratch(0, parts * size);
  const { product, finish } = finishedLater(step, parts * size, lowering);
  const sums: MatmulStep = { ...bare, output: { ...step.output, buffer: scratch(0), offset: from } };
  const whole: Touched = { ...writes(sums.output), count: parts * size };
  const products = windows.fits([reads(step.a, step.dtypes[0]), reads(step.b, step.dtypes[1]), whole])
    ? [tiledKernel({ step: placedMatmul(sums, windows), continues: false }, tile, { parts, length, together: length })]
    : innerParts(sums, parts, length).flatMap(alone);
  const total: ReduceStep = {
    kind: "reduce",
    reduce: "sum",
    dtype: "f32",
    kept: [size],
    reduced: [parts],
    inputs: [{ buffer: scratch(0), shape: [size, parts], strides: [1, size], offset: from }],
    body: [{ op: "load", input: 0, dtype: "f32" }],
    value: 0,
    output: { ...product.output, shape: [size], strides: [1] },
  };
  return [...products, ...reduceKernels(total, lowering, 1), ...finish];
};

/**
 * A product that takes several kernels, without what becomes of it, and the kernels of that. It may lie over what it is read
 * with, so that the product itself must not: it lies in scratch memory, `after` so many words.
 */
const finishedLater = (
  step: MatmulStep,
  after: number,
  lowering: Lowering,
): { readonly product: MatmulStep; readonly finish: readonly Kernel[] } => {
  const { epilogue, output, ...bare } = step;
  if (epilogue === undefined) return { product: step, finish: [] };
  const size = sizeOf(output.shape);
  const place: View = { ...output, buffer: scratch(0), offset: lowering.scratch(0, after + size) + after };
  return { product: { ...bare, output: place }, finish: mapKernels(epilogueMap(epilogue, place, output), lowering) };
};

/** A product cut along its inner axis: [parts, ...] products one after the other in the output's buffer. */
const innerParts = (step: MatmulStep, parts: number, length: number): MatmulStep[] => {
  const { a, b, output } = step;
  const rank = a.shape.length;
  return Array.from({ length: parts }, (_, part) => {
    const start = part * length;
    const among = (view: View, axis: number): View => {
      const starts = view.shape.map((_, i) => (i === axis ? start : 0));
      const sizes = view.shape.map((n, i) => (i === axis ? Math.min(length, n - start) : n));
      return viewIn(view, { starts, sizes });
    };
    const offset = output.offset + part * sizeOf(output.shape);
    return { ...step, a: among(a, rank - 1), b: among(b, rank - 2), output: { ...output, offset } };
  });
};

/** out[…batch, M, N] = a × b, any strides. Tolerance: K roundings of Σ|a||b|, as for any sum in order. */
export const matmulKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  if (step.a.shape[step.a.shape.length - 1] === 0) {
    const load = { op: "load", input: 0, dtype: "f32" } as const;
    const itself = { shape: step.output.shape, inputs: [], body: [load], value: 0 };
    return mapKernels(epilogueOfZero(step.epilogue ?? itself, step.output), lowering);
  }
  if (step.operands === "f16") return matrixKernels(step, lowering);
  if (lowering.wide) return tiledKernels(step, lowering);
  return matmulParts(step, lowering.windows).map((part) => registerKernel(part, lowering));
};
