/** One weighted row of a logistic regression: features, the probability of a win, and what it counts. */
export interface LogisticRow {
  readonly x: readonly number[];
  readonly p: number;
  readonly weight: number;
}

export const logistic = (z: number): number => 1 / (1 + Math.exp(-z));
export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** log(1 + eᶻ), without overflow. */
const softplus = (z: number): number => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/** Σ weight · (−p log σ(z) − (1−p) log σ(−z)). */
export const crossEntropy = (rows: readonly LogisticRow[], w: readonly number[]): number =>
  rows.reduce((sum, { x, p, weight }) => {
    const z = dot(x, w);
    return sum + weight * (softplus(z) - p * z);
  }, 0);

const LARGEST_STEP = 10;

/**
 * The weights that minimize ‖w‖₁ + c · crossEntropy, without intercept: Newton steps of one coordinate at a time, halved until the
 * objective falls. Convex: the minimum is liblinear's (penalty l1), to its tolerance and beyond.
 */
export const lasso = (rows: readonly LogisticRow[], c: number): number[] => {
  const w = rows[0].x.map(() => 0);
  const objective = (at: readonly number[]) => at.reduce((sum, v) => sum + Math.abs(v), 0) + c * crossEntropy(rows, at);
  let now = objective(w);
  for (let round = 0; round < 1000; round++) {
    const before = now;
    for (const j of w.keys()) {
      let [slope, bend] = [0, 1e-12];
      for (const { x, p, weight } of rows) {
        const q = logistic(dot(x, w));
        slope += c * weight * (q - p) * x[j];
        bend += c * weight * q * (1 - q) * x[j] * x[j];
      }
      // The minimum of slope · d + bend · d² / 2 + |w_j + d|.
      const up = (slope + 1) / bend;
      const down = (slope - 1) / bend;
      const wanted = w[j] < up && w[j] > down ? -w[j] : w[j] >= up ? -up : -down;
      let step = Math.max(-LARGEST_STEP, Math.min(LARGEST_STEP, wanted));
      const from = w[j];
      for (let halved = 0; halved < 60; halved++, step /= 2) {
        w[j] = from + step;
        const next = objective(w);
        if (next <= now) {
          now = next;
          break;
        }
        w[j] = from;
      }
    }
    if (before - now <= 1e-13 * Math.abs(now)) break;
  }
  return w;
};
