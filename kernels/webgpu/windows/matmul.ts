import type { MatmulStep, View } from "../../plan/steps.js";
import { type Box, cut, halves, longestAxis, stretches, viewIn, wholeBox } from "./box.js";
import { storedAs } from "./map.js";
import { reads, type Touched, type Windows, writes } from "./windows.js";

/** A product that one kernel computes; its views are windows, and its output may have any strides. */
export interface MatmulPart {
  readonly step: MatmulStep;
  /** Does it go on with the sums that lie in its output? */
  readonly continues: boolean;
}

/** What a product touches, epilogue included. */
export const touchedByMatmul = ({ a, b, dtypes, output, epilogue }: MatmulStep): Touched[] => [
  ...[a, b].map((view, i) => reads(view, dtypes[i])),
  writes(output),
  ...(epilogue?.inputs ?? []).map((view, i) => reads(view, storedAs(epilogue?.body ?? [], i + 1))),
];

/** The product with each view as its kernel sees it. */
export const placedMatmul = (step: MatmulStep, windows: Windows): MatmulStep => {
  const [a, b, output, ...inputs] = windows.place(touchedByMatmul(step));
  return { ...step, a, b, output, epilogue: step.epilogue && { ...step.epilogue, inputs } };
};

/**
 * A bare product as products whose windows fit: cut along batch axes, rows and columns, and along the inner axis, where the
 * later parts go on with the sums of the earlier ones, in the same order; they begin at multiples of `unit`.
 */
export const matmulParts = (step: MatmulStep, windows: Windows, unit = 1): MatmulPart[] => {
  const { a, b, output } = step;
  const batches = a.shape.length - 2;
  const lead = Array.from({ length: batches }, (_, i) => i);
  // Axes of the space: batches, rows, columns, inner.
  const [row, column, inner] = [batches, batches + 1, batches + 2];
  const axesOf = [
    [...lead, row, inner],
    [...lead, inner, column],
    [...lead, row, column],
  ];
  const partOf = ({ starts, sizes }: Box): MatmulStep => {
    const [partA, partB, partOut] = [a, b, output].map((view: View, i) =>
      viewIn(view, { starts: axesOf[i].map((axis) => starts[axis]), sizes: axesOf[i].map((axis) => sizes[axis]) }),
    );
    return { ...step, a: partA, b: partB, output: partOut, epilogue: undefined };
  };
  const space = [...output.shape, a.shape[batches + 1]];
  const stretch = (view: View, i: number) =>
    stretches(
      view,
      space.map((_, axis) => axesOf[i].indexOf(axis)),
    );
  return cut(
    wholeBox(space),
    (box) => windows.fits(touchedByMatmul(partOf(box))),
    (box) => {
      const touched = touchedByMatmul(partOf(box));
      const long = windows.tooLong(touched);
      const axis = longestAxis(touched.flatMap((one, i) => (long.includes(one) ? [stretch(one.view, i)] : [])));
      return axis === undefined
        ? windows.refuse("a matrix product", touched)
        : halves(box, axis, axis === inner ? unit : 1);
    },
  ).map((box) => ({ step: placedMatmul(partOf(box), windows), continues: box.starts[inner] > 0 }));
};
