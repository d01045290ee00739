/** What convolutions and pools share: the elements that a window covers, as views of a padded tensor. */
import { concat, full, reshape, type Shape, ShapeError, sliceAxis, type Tensor } from "../core/index.js";

/** A number for every axis, or one for each. */
export type PerAxis = number | readonly number[];

export interface Windows {
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** Before and after each axis. */
  readonly padding: readonly (readonly [number, number])[];
}

const each = (value: PerAxis, rank: number, name: string, least: number): readonly number[] => {
  const list = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  if (!Array.isArray(list) || list.length !== rank || list.some((n) => !Number.isInteger(n) || n < least))
    throw new ShapeError(`${name} ${JSON.stringify(value)}: needs an integer ≥ ${least}, or ${rank} of them`);
  return list;
};

/** Options of a convolution or pool over axes of `spatial` sizes, checked. "same" gives ⌈n/stride⌉ elements, as in JAX. */
export const windowsOf = (
  spatial: Shape,
  size: PerAxis,
  options: { readonly stride?: PerAxis; readonly dilation?: PerAxis; readonly padding?: PerAxis | "same" | "valid" },
): Windows => {
  const rank = spatial.length;
  const sizes = each(size, rank, "window", 1);
  const stride = each(options.stride ?? 1, rank, "stride", 1);
  const dilation = each(options.dilation ?? 1, rank, "dilation", 1);
  const span = sizes.map((k, i) => dilation[i] * (k - 1) + 1);
  const { padding = 0 } = options;
  const total = spatial.map((n, i) => Math.max(0, (Math.ceil(n / stride[i]) - 1) * stride[i] + span[i] - n));
  const given = padding === "same" || padding === "valid" ? [] : each(padding, rank, "padding", 0);
  const around = spatial.map((_, i) =>
    padding === "same"
      ? ([Math.floor(total[i] / 2), Math.ceil(total[i] / 2)] as const)
      : ([given[i] ?? 0, given[i] ?? 0] as const),
  );
  const short = spatial.findIndex((n, i) => n + around[i][0] + around[i][1] < span[i]);
  if (short >= 0)
    throw new ShapeError(
      `a window that spans ${span[short]} does not fit axis ${short + 2} of ${spatial[short]} elements`,
    );
  return { size: sizes, stride, dilation, padding: around };
};

/** Elements start, start + step, … of an axis, `count` of them; what lies past its end is anything. */
const strided = (x: Tensor, axis: number, start: number, step: number, count: number): Tensor => {
  if (step === 1) return sliceAxis(x, axis, start, start + count);
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const rows = reshape(sliceAxis(x, axis, start, start + count * step), [...before, count, step, ...after]);
  return reshape(sliceAxis(rows, axis + 1, 0, 1), [...before, count, ...after]);
};

/**
 * For each place in the window the elements there, over all windows.  x: [N, C, ...S] → as many [N, C, ...T] as a window has
 * elements, in row-major order; `outside` is what the padding holds.
 */
export const slicesOf = (x: Tensor, { size, stride, dilation, padding }: Windows, outside: number): Tensor[] => {
  const count = size.map(
    (k, i) => Math.floor((x.shape[i + 2] + padding[i][0] + padding[i][1] - dilation[i] * (k - 1) - 1) / stride[i]) + 1,
  );
  const padded = size.reduce((y, _, i) => {
    const axis = i + 2;
    const part = (n: number) =>
      n === 0
        ? []
        : [
            full(
              y.shape.map((m, j) => (j === axis ? n : m)),
              outside,
              y.dtype,
            ),
          ];
    // Steps reach past the last window.
    return concat([...part(padding[i][0]), y, ...part(padding[i][1] + stride[i] - 1)], axis);
  }, x);
  return size.reduce(
    (parts, k, i) =>
      parts.flatMap((part) =>
        Array.from({ length: k }, (_, at) => strided(part, i + 2, at * dilation[i], stride[i], count[i])),
      ),
    [padded],
  );
};
