import { exp } from "../elementary.js";

/** Scalar definitions that JavaScript's Math lacks. */

/** erf(x) in f64: Taylor series near 0, continued fraction of erfc further out. Abramowitz & Stegun 7.1.5, 7.1.14. */
export const erfOf = (x: number): number => {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a > 6) return Math.sign(x);
  if (a < 2) {
    let term = a;
    let total = a;
    for (let n = 1; Math.abs(term) > 1e-18 * total; n++) {
      term *= (-a * a) / n;
      total += term / (2 * n + 1);
    }
    return ((2 / Math.sqrt(Math.PI)) * total * Math.sign(x)) as number;
  }
  let fraction = 0;
  for (let n = 120; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)));
};

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/** Both words of Threefry2x32-20 for one key and counter. Source: Salmon et al. 2011 (Random123). */
export const threefry = (k0: number, k1: number, c0: number, c1: number): [number, number] => {
  const keys = [k0 | 0, k1 | 0, k0 ^ k1 ^ 0x1bd11bda];
  let a = (c0 + keys[0]) | 0;
  let b = (c1 + keys[1]) | 0;
  for (let round = 0; round < 20; round++) {
    a = (a + b) | 0;
    const r = ROTATIONS[round % 8];
    b = ((b << r) | (b >>> (32 - r))) ^ a;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      a = (a + keys[injection % 3]) | 0;
      b = (b + keys[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [a >>> 0, b >>> 0];
};

/** The word of element `index` in `domain`: see randomBits. */
export const threefryBits = (k0: number, k1: number, index: number, domain: number): number =>
  threefry(k0, k1, (index >>> 3) * 4 + (index & 3), domain)[(index >>> 2) & 1];
