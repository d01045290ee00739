/** Largest number of projections a sketch holds: the error's size is known from them to a fourth, whatever the tensor's. */
const PROJECTIONS = 8;

/** What is kept of a large tensor of reference values: its L2 norm, and its products with vectors of random signs. */
export interface Sketch {
  readonly norm: number;
  readonly projections: readonly number[];
}

/** ±1, a function of its arguments alone. */
const sign = (projection: number, i: number): number => {
  let h = Math.imul(i * PROJECTIONS + projection + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) & 1 ? 1 : -1;
};

export const sketchOf = (data: ArrayLike<number>): Sketch => {
  let squares = 0;
  const projections = new Array<number>(PROJECTIONS).fill(0);
  for (let i = 0; i < data.length; i++) {
    squares += data[i] * data[i];
    for (let p = 0; p < PROJECTIONS; p++) projections[p] += sign(p, i) * data[i];
  }
  return { norm: Math.sqrt(squares), projections };
};

/** Estimate of ‖got − wanted‖ / ‖wanted‖: a product of a difference with random signs has its norm as standard deviation. */
export const sketchedDistance = (got: Sketch, wanted: Sketch): number => {
  const squares = wanted.projections.reduce((total, w, p) => total + (got.projections[p] - w) ** 2, 0);
  return Math.sqrt(squares / wanted.projections.length) / wanted.norm;
};
