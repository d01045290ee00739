import type { View } from "../../plan/steps.js";

/** A part of an index space: from `starts` on, `sizes` along each axis. */
export interface Box {
  readonly starts: readonly number[];
  readonly sizes: readonly number[];
}

export const wholeBox = (shape: readonly number[]): Box => ({ starts: shape.map(() => 0), sizes: shape });

/** The two halves of a box along an axis, in order; the first is a multiple of `unit`, of which there must be more than one. */
export const halves = ({ starts, sizes }: Box, axis: number, unit = 1): [Box, Box] => {
  const first = Math.ceil(sizes[axis] / 2 / unit) * unit;
  const put = (list: readonly number[], value: number) => list.map((n, i) => (i === axis ? value : n));
  return [
    { starts, sizes: put(sizes, first) },
    { starts: put(starts, starts[axis] + first), sizes: put(sizes, sizes[axis] - first) },
  ];
};

/** What a view over the whole space shows of a box. */
export const viewIn = (view: View, { starts, sizes }: Box): View => ({
  ...view,
  shape: sizes,
  offset: starts.reduce((at, start, axis) => at + start * view.strides[axis], view.offset),
});

/** Elements from the first to the last that a view touches. */
export const reachOf = ({ shape, strides }: View): number =>
  shape.includes(0) ? 0 : shape.reduce((reach, n, axis) => reach + (n - 1) * strides[axis], 1);

/** Cuts until every part fits; in order. `halve` gives the parts of one that does not fit, or throws where it cannot. */
export const cut = <P>(whole: P, fits: (part: P) => boolean, halve: (part: P) => readonly P[]): P[] =>
  fits(whole) ? [whole] : halve(whole).flatMap((half) => cut(half, fits, halve));

/** How far a view goes along each axis of a space; `axes` says which axis of the view that is (-1: none). */
export const stretches = (view: View, axes: readonly number[] = view.shape.map((_, i) => i)): number[] =>
  axes.map((axis) => (axis < 0 ? 0 : (view.shape[axis] - 1) * view.strides[axis]));

/** The axis along which views that are too long go furthest; undefined where none goes anywhere. */
export const longestAxis = (lists: readonly (readonly number[])[]): number | undefined => {
  let [longest, at]: [number, number | undefined] = [0, undefined];
  for (const list of lists)
    list.forEach((stretch, axis) => {
      if (stretch > longest) [longest, at] = [stretch, axis];
    });
  return at;
};
