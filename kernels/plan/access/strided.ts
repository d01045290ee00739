import { type Shape, sizeOf, stridesOf } from "../../../core/index.js";

/** How a tensor lies in its base: element at index i is base element offset + Σ i·strides. */
export interface Strided {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

export const contiguous = (shape: Shape): Strided => ({ shape, strides: stridesOf(shape), offset: 0 });

/** Row-major without gaps (from any offset). Axes of size 1 may have any stride. */
export const isContiguous = (view: Strided): boolean => {
  if (sizeOf(view.shape) === 0) return true;
  const dense = stridesOf(view.shape);
  return view.shape.every((n, i) => n === 1 || view.strides[i] === dense[i]);
};

export const permuteView = (view: Strided, axes: readonly number[]): Strided => ({
  shape: axes.map((axis) => view.shape[axis]),
  strides: axes.map((axis) => view.strides[axis]),
  offset: view.offset,
});

export const broadcastView = (view: Strided, shape: Shape): Strided => {
  const lead = shape.length - view.shape.length;
  const strides = shape.map((n, i) =>
    i < lead || (view.shape[i - lead] === 1 && n !== 1) ? 0 : view.strides[i - lead],
  );
  return { shape, strides, offset: view.offset };
};

export const sliceView = (view: Strided, starts: readonly number[], shape: Shape): Strided => ({
  shape,
  strides: view.strides,
  offset: starts.reduce((at, start, i) => at + start * view.strides[i], view.offset),
});

/** The view under another shape, or undefined where strides cannot say it (a copy is needed). */
export const reshapeView = (view: Strided, shape: Shape): Strided | undefined => {
  if (sizeOf(shape) === 0) return { shape, strides: shape.map(() => 0), offset: view.offset };
  const from = view.shape.flatMap((n, i) => (n === 1 ? [] : [{ n, stride: view.strides[i] }]));
  const strides = new Array<number>(shape.length).fill(0);
  let group = 0; // first unconsumed axis of `from`
  for (let axis = 0; axis < shape.length; ) {
    if (shape[axis] === 1) {
      axis++;
      continue;
    }
    // Match the smallest run of new axes with the smallest run of old axes of the same size.
    let [newSize, newEnd] = [shape[axis], axis + 1];
    let [oldSize, oldEnd] = [from[group].n, group + 1];
    while (newSize !== oldSize)
      if (newSize < oldSize) newSize *= shape[newEnd++];
      else oldSize *= from[oldEnd++].n;
    for (let i = group; i + 1 < oldEnd; i++)
      if (from[i].stride !== from[i + 1].stride * from[i + 1].n) return undefined;
    let stride = from[oldEnd - 1].stride;
    for (let i = newEnd - 1; i >= axis; i--) {
      strides[i] = stride;
      stride *= shape[i];
    }
    axis = newEnd;
    group = oldEnd;
  }
  return { shape, strides, offset: view.offset };
};
