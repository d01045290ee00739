/** What a step of the optimizers must have done to one tensor, from the numbers before and after it. */
import assert from "node:assert/strict";

export interface Leaf {
  readonly w: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
  /** What the next step is given. */
  readonly nextGradient: Float32Array;
  /** As `prepare` gave it. */
  readonly tau: Float32Array | undefined;
  readonly steps: number;
}

export interface Rates {
  readonly lr: number;
  readonly alpha: number;
  readonly p: number;
}

const [BETA1, BETA2] = [0.9, 0.999];

/** Adam's update of every element of a leaf, in f64; `inside` puts ε under the root without corrections (the paper). */
const proposals = ({ m, v, nextGradient, steps }: Leaf, lr: number, inside: boolean): Float64Array =>
  Float64Array.from(m, (_, i) => {
    const g = nextGradient[i];
    const [m1, v1] = [BETA1 * m[i] + (1 - BETA1) * g, BETA2 * v[i] + (1 - BETA2) * g * g];
    if (inside) return (-lr * m1) / Math.sqrt(v1 + 1e-8);
    return (-lr * (m1 / (1 - BETA1 ** (steps + 1)))) / (Math.sqrt(v1 / (1 - BETA2 ** (steps + 1))) + 1e-8);
  });

/** w is of size 0.1: what f32 rounds away, and 1e-4 of the change for the roundings of the moments. */
const isClose = (got: number, want: number, change: number): boolean =>
  Math.abs(got - want) <= 3e-8 + 1e-4 * Math.abs(change);

/** w' = w − lr·λ·w + Δ with λ = 0.01, element by element. */
export const checkAdamW = (before: Leaf, after: Leaf, { lr }: Rates): void => {
  for (const [i, delta] of proposals(before, lr, false).entries()) {
    const want = before.w[i] * (1 - lr * 0.01) + delta;
    assert.ok(isClose(after.w[i], want, delta), `adamW: w[${i}] = ${after.w[i]} for ${want}`);
  }
};

/**
 * w' = w + one of 0, (1−α)Δ, ατ and their sum, each kept in a p-fraction of the elements; `largest`: the Δ that are kept are the
 * floor(p·n) largest, and τ was sparsified before.
 */
export const checkMerging =
  (kept: "all" | "largest") =>
  (before: Leaf, after: Leaf, { lr, alpha, p }: Rates): void => {
    const tau = before.tau as Float32Array;
    const n = tau.length;
    const delta = proposals(before, lr, true);
    const threshold = Float64Array.from(delta, Math.abs).sort()[n - Math.floor(p * n)];
    const counts = { delta: 0, tau: 0 };
    for (let i = 0; i < n; i++) {
      const change = after.w[i] - before.w[i];
      const [a, b] = [(1 - alpha) * delta[i], alpha * tau[i]];
      const fits = ([0, a, b, a + b] as const).findIndex((x) => isClose(change, x, Math.abs(a) + Math.abs(b)));
      assert.ok(fits >= 0, `w[${i}] moved by ${change}; Δ makes ${a}, τ ${b}`);
      if (fits & 1) counts.delta++;
      if (fits & 2) counts.tau++;
      if (kept === "all" || tau[i] !== 0) continue;
      const clear = Math.abs(Math.abs(delta[i]) - threshold) > 1e-4 * threshold;
      if (clear) assert.equal(fits === 1, Math.abs(delta[i]) > threshold, `OnTIES at ${i}: |Δ| ${Math.abs(delta[i])}`);
    }
    // Six standard deviations of a binomial; OnTIES drops where signs disagree, half of p² of the elements.
    const slack = 6 * Math.sqrt(p * n) + p * p * n;
    for (const [name, count] of Object.entries(counts))
      assert.ok(Math.abs(count - p * n) < slack, `${count} of ${n} elements moved along ${name}, for a ${p}-fraction`);
  };
