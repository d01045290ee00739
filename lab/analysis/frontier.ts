/** One setting of a method under one seed: skill and style rate in both splits. */
export interface Point {
  /** Learning rate; 0 for the model where all start. */
  readonly x: number;
  readonly validation: { readonly average: number; readonly style: number };
  readonly test: { readonly average: number; readonly style: number };
}

/** A place on a method's path over the grid. */
export interface Place {
  /** Learning rate, interpolated by its logarithm (from 0 on: by itself). */
  readonly rate: number;
  /** Skill. */
  readonly validation: number;
  readonly test: number;
  /** Style rate in the test split, which selection has not seen. */
  readonly testStyle: number;
}

/** Between which two settings of a path a number has a value, and how far from the first. */
export interface Crossing<P extends { readonly x: number }> {
  readonly from: P;
  readonly to: P;
  readonly t: number;
}

export const lerp = (a: number, b: number, t: number): number => a + (b - a) * t;

/** Where a path, its settings in order of learning rate, crosses a value of a number. */
export const crossings = <P extends { readonly x: number }>(
  points: readonly P[],
  of: (point: P) => number,
  value: number,
): Crossing<P>[] => {
  const path = points.toSorted((a, b) => a.x - b.x);
  return path.slice(1).flatMap((to, i) => {
    const from = path[i];
    const [low, high] = [of(from), of(to)];
    if (!((low - value) * (high - value) <= 0)) return [];
    return [{ from, to, t: low === high ? 0 : (value - low) / (high - low) }];
  });
};

/** A number at a crossing. */
export const at = <P extends { readonly x: number }>({ from, to, t }: Crossing<P>, of: (point: P) => number): number =>
  lerp(of(from), of(to), t);

/** Where a path crosses a style rate with the best skill, by validation. Undefined where it does not cross it. */
export const bestAtStyle = <P extends Point>(points: readonly P[], style: number): Crossing<P> | undefined => {
  const skill = (crossing: Crossing<P>): number => at(crossing, ({ validation }) => validation.average);
  let best: Crossing<P> | undefined;
  for (const crossing of crossings(points, ({ validation }) => validation.style, style))
    if (best === undefined || skill(crossing) > skill(best)) best = crossing;
  return best;
};

/**
 * The best skill that a method has at a style rate: its settings in order of learning rate are a path, and where the path
 * crosses the rate, skill is interpolated. Places are found and compared by validation; the test numbers are those of the
 * same place. Undefined where the path does not cross the rate.
 */
export const atStyle = (points: readonly Point[], style: number): Place | undefined => {
  const crossing = bestAtStyle(points, style);
  if (crossing === undefined) return undefined;
  const { from, to, t } = crossing;
  return {
    rate: from.x === 0 ? t * to.x : Math.exp(lerp(Math.log(from.x), Math.log(to.x), t)),
    validation: at(crossing, ({ validation }) => validation.average),
    test: at(crossing, ({ test }) => test.average),
    testStyle: at(crossing, ({ test }) => test.style),
  };
};
