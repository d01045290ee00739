import { stridesOf } from "../../../core/index.js";
import type { Builder } from "./module.js";

/** Lines that compute coordinates, and the offset Σ coordinate·stride of each view as text ("0u" where all strides are 0). */
interface Walk {
  readonly lines: readonly string[];
  readonly offsets: readonly string[];
}

/**
 * Addresses of several views over one index space, from the flat index `flat`. What is text: the rank, and for each view
 * whether it is contiguous, which of its strides are 0 and which are 1. All numbers are data.
 */
export const walk = (
  k: Builder,
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  flat: string,
  prefix: string,
): Walk => {
  const dense = stridesOf(shape);
  const isDense = (view: readonly number[]) => shape.length > 0 && view.every((s, axis) => s === dense[axis]);
  const lines: string[] = [];
  const coordinate = (axis: number) => (shape.length === 1 ? flat : `${prefix}${axis}`);
  const scattered = strides.some((view) => !isDense(view) && view.some((s) => s !== 0));
  if (scattered && shape.length > 1) {
    let rest = flat;
    for (let axis = shape.length - 1; axis > 0; axis--) {
      const size = k.param(shape[axis]);
      lines.push(`let ${prefix}${axis} = ${rest} % ${size};`);
      const quotient = axis === 1 ? `${prefix}0` : `${prefix}q${axis}`;
      lines.push(`let ${quotient} = ${rest} / ${size};`);
      rest = quotient;
    }
  }
  const offsets = strides.map((view) => {
    if (isDense(view)) return flat;
    const terms = view.flatMap((s, axis) => {
      if (s === 0) return [];
      return [s === 1 ? coordinate(axis) : `${coordinate(axis)} * ${k.param(s)}`];
    });
    return terms.length === 0 ? "0u" : terms.join(" + ");
  });
  return { lines, offsets };
};

/** `base + offset`, without a needless zero. */
export const plus = (base: string, offset: string): string => (offset === "0u" ? base : `${base} + ${offset}`);

export const indent = (lines: readonly string[], spaces = 2): string =>
  lines.map((line) => " ".repeat(spaces) + line).join("\n");
/** Lines of a block. */
export const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** 0 … count - 1. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
