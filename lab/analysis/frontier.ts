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

const lerp = (a: number, b: number, t: number): number => a + (b - a) * t;

/**
 * The best skill that a method has at a style rate: its settings in order of learning rate are a path, and where the path
 * crosses the rate, skill is interpolated. Places are found and compared by validation; the test numbers are those of the
 * same place. Undefined where the path does not cross the rate.
 */
export const atStyle = (points: readonly Point[], style: number): Place | undefined => {
  const path = points.toSorted((a, b) => a.x - b.x);
  let best: Place | undefined;
  for (let i = 1; i < path.length; i++) {
    const [from, to] = [path[i - 1], path[i]];
    const [low, high] = [from.validation.style, to.validation.style];
    if ((low - style) * (high - style) > 0) continue;
    const t = low === high ? 0 : (style - low) / (high - low);
    const place: Place = {
      rate: from.x === 0 ? t * to.x : Math.exp(lerp(Math.log(from.x), Math.log(to.x), t)),
      validation: lerp(from.validation.average, to.validation.average, t),
      test: lerp(from.test.average, to.test.average, t),
      testStyle: lerp(from.test.style, to.test.style, t),
    };
    if (best === undefined || place.validation > best.validation) best = place;
  }
  return best;
};
