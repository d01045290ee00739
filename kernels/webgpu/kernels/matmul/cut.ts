import { sizeOf } from "../../../../core/index.js";
import type { MatmulStep, View } from "../../../plan/steps.js";
import { type Kernel, scratch } from "../../wgsl/module.js";
import { viewIn } from "../../windows/box.js";
import { type MatmulPart, matmulParts, placedMatmul, touchedByMatmul } from "../../windows/matmul.js";
import { reads, type Touched, writes } from "../../windows/windows.js";
import { itself, sumMap } from "../epilogue.js";
import type { Lowering } from "../lowering.js";
import { mapKernels } from "../map.js";
import type { InnerCut } from "./tiles.js";

/** How a kernel sums over the inner axis: `parts` products [parts, ...] of `length` each, sums of `together` added up in each. */
export interface Sums {
  readonly parts: number;
  readonly length: number;
  readonly together: number;
}

/** How products of one kind are made. */
export interface Method {
  readonly cut: InnerCut;
  /** Have parts of the inner axis workgroups of their own? Else each adds them all up. */
  readonly apart: boolean;
  /** Where the inner axis is cut for windows: at multiples of so many. */
  readonly unit: number;
  /** Are parts added up in the product's own memory? Then nothing may become of it on its way there. */
  readonly addsInPlace: boolean;
  readonly kernel: (part: MatmulPart, sums: Sums) => Kernel;
}

/**
 * A product by one method. Where tiles are few (weight gradients), each part of the inner axis is a product of its own, and they are
 * added afterwards.
 */
export const cutKernels = (step: MatmulStep, method: Method, lowering: Lowering): Kernel[] => {
  const { cut, apart, unit, addsInPlace, kernel } = method;
  const { parts, length } = cut;
  const { windows } = lowering;
  const inner = step.a.shape[step.a.shape.length - 1];
  if (!apart) {
    const later = addsInPlace && parts > 1 ? finishedLater(step, 0, lowering) : { product: step, finish: [] };
    const part = { step: later.product, continues: false };
    if (windows.fits(touchedByMatmul(part.step))) {
      const placed = { ...part, step: placedMatmul(part.step, windows) };
      return [kernel(placed, { parts: 1, length: inner, together: length }), ...later.finish];
    }
  }
  const alone = (product: MatmulStep) =>
    matmulParts(product, windows, unit).map((part) => {
      const whole = part.step.a.shape[part.step.a.shape.length - 1];
      return kernel(part, { parts: 1, length: whole, together: whole });
    });
  if (parts === 1) {
    const { product, finish } = finishedLater(step, 0, lowering);
    return [...alone(product), ...finish];
  }
  const size = sizeOf(step.output.shape);
  const from = lowering.scratch(0, parts * size);
  const sums: MatmulStep = {
    ...step,
    epilogue: undefined,
    output: { ...step.output, buffer: scratch(0), offset: from },
  };
  const whole: Touched = { ...writes(sums.output), count: parts * size };
  const products = windows.fits([reads(step.a, step.dtypes[0]), reads(step.b, step.dtypes[1]), whole])
    ? [kernel({ step: placedMatmul(sums, windows), continues: false }, { parts, length, together: length })]
    : innerParts(sums, parts, length).flatMap(alone);
  const views = Array.from({ length: parts }, (_, part) => ({ ...sums.output, offset: from + part * size }));
  return [...products, ...mapKernels(sumMap(views, step.epilogue ?? itself(step.output), step.output), lowering)];
};

/**
 * The product that takes several kernels, without what becomes of it, and the kernels of that. It may lie over what it is read
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
  return { product: { ...bare, output: place }, finish: mapKernels(sumMap([place], epilogue, output), lowering) };
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
