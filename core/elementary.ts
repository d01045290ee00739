/**
 * Elementary functions of f64 by +, −, ×, ÷ alone, which every engine rounds alike: those of Math differ between engines, and
 * between versions of one, so that definitions, schedules and frequencies made of them would. Within 3 ulp of those.
 */

const words = new DataView(new ArrayBuffer(8));

/** 2ᵏ for integers, -1022 ≤ k ≤ 1023. */
const powerOfTwo = (k: number): number => {
  words.setUint32(0, (k + 1023) << 20);
  words.setUint32(4, 0);
  return words.getFloat64(0);
};

/** Multiples of the first part below 2²⁰ are exact. Source: fdlibm. */
const [LN2, LN2_REST] = [0.6931471803691238, 1.9082149292705877e-10];

/** e^r - 1 for |r| ≤ ½ ln 2: the exponential series. */
const risen = (r: number): number => {
  const far = 1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r / 6227020800)));
  const middle = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * far)));
  return r + r * r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * middle)));
};

/** x + tail = k ln 2 + r: k, and e^r - 1. */
const parts = (x: number, tail: number): [number, number] => {
  const k = Math.round(x / (LN2 + LN2_REST));
  return [k, risen(x - k * LN2 - (k * LN2_REST - tail))];
};

/** e^(x + tail), tail below an ulp of x. */
const expOf = (x: number, tail: number): number => {
  const [k, more] = parts(Math.min(710, Math.max(-746, x)), tail);
  return (1 + more) * powerOfTwo(k >> 1) * powerOfTwo(k - (k >> 1)); // in halves: neither leaves the range
};

/** eˣ. */
export const exp = (x: number): number => expOf(x, 0);

/** eˣ - 1, accurate near 0. */
export const expm1 = (x: number): number => {
  if (x < -40) return -1;
  if (!(x < 700)) return exp(x);
  if (x === 0) return x;
  const [k, more] = parts(x, 0);
  return powerOfTwo(k) * more + (powerOfTwo(k) - 1);
};

/** log x as a sum whose second part is below an ulp of the first, for 0 < x < ∞. Source of its order: fdlibm. */
const logParts = (x: number): [number, number] => {
  const isSmall = x < 2 ** -1000;
  words.setFloat64(0, isSmall ? x * 2 ** 54 : x);
  const high = words.getUint32(0);
  // m between √½ and √2
  const rises = (high & 0xfffff) > 0x6a09e ? 1 : 0;
  const k = (high >>> 20) - 1023 + rises - (isSmall ? 54 : 0);
  words.setUint32(0, (high & 0xfffff) | ((1023 - rises) << 20));
  const f = words.getFloat64(0) - 1;
  const s = f / (2 + f);
  const z = s * s;
  let rest = 0;
  for (let n = 23; n > 1; n -= 2) rest = z * (2 / n + rest);
  const half = 0.5 * f * f;
  const first = k * LN2 + f;
  const small = k * LN2 - first + f + (s * (half + rest) + k * LN2_REST - half);
  return [first + small, first - (first + small) + small];
};

/** Natural logarithm; -∞ of 0, NaN below. */
export const log = (x: number): number => {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  return x === Number.POSITIVE_INFINITY ? x : logParts(x)[0];
};

/** log(1 + x), accurate near 0. */
export const log1p = (x: number): number => {
  const sum = 1 + x;
  if (sum === 1) return x;
  return sum > 0 && sum < Number.POSITIVE_INFINITY ? log(sum) + (x - (sum - 1)) / sum : log(sum);
};

/** The upper half of a number's bits: products of halves are exact. */
const upper = (x: number): number => x * 134217729 - (x * 134217729 - x);

/** xʸ for finite x ≥ 0 and |y| < 10⁶, by the logarithm and its product with y to twice as many bits (Dekker). */
export const pow = (x: number, y: number): number => {
  if (y === 0 || x === 1) return 1;
  if (!(x > 0)) return x === 0 ? (y > 0 ? 0 : Number.POSITIVE_INFINITY) : Number.NaN;
  const [a, rest] = logParts(x);
  const [ya, aa] = [upper(y), upper(a)];
  const [yb, ab] = [y - ya, a - aa];
  const product = y * a;
  return expOf(product, ya * aa - product + ya * ab + yb * aa + yb * ab + y * rest);
};

/** (eˣ - e⁻ˣ)/(eˣ + e⁻ˣ). */
export const tanh = (x: number): number => {
  if (x === 0 || Math.abs(x) > 22) return x === 0 ? x : Math.sign(x);
  const t = expm1(2 * Math.abs(x));
  return x < 0 ? -t / (t + 2) : t / (t + 2);
};

/** The angle in (-π/2, π/2) whose tangent is x: that of 1/x beyond 1, of (x - 1)/(x + 1) beyond tan π/8, then its series. */
export const atan = (x: number): number => {
  const a = Math.abs(x);
  const t = a > 1 ? 1 / a : a;
  const u = t > Math.SQRT2 - 1 ? (t - 1) / (t + 1) : t;
  let rest = 0;
  for (let n = 43; n > 1; n -= 2) rest = -u * u * (1 / n + rest);
  const near = u + u * rest;
  const y = u === t ? near : Math.PI / 4 + near;
  const angle = a > 1 ? Math.PI / 2 - y : y;
  return x < 0 || Object.is(x, -0) ? -angle : angle;
};

const SCALE = 1200n;
let halfPi: bigint | undefined;
/** π/2 · 2^SCALE by Machin's formula, to all bits that a remainder of the largest f64 needs. */
const halfPiScaled = (): bigint => {
  if (halfPi !== undefined) return halfPi;
  const arc = (n: bigint): bigint => {
    let [total, term] = [0n, (1n << (SCALE + 32n)) / n];
    for (let i = 1n, sign = 1n; term > 0n; i += 2n, sign = -sign, term /= n * n) total += (sign * term) / i;
    return total;
  };
  halfPi = (8n * arc(5n) - 2n * arc(239n)) >> 32n;
  return halfPi;
};

/** π/2 in parts of 33 bits: multiples below 2²⁰ are exact. Source: fdlibm. */
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];

/** x - n π/2 in [-π/4, π/4], and n mod 4. */
const quarters = (x: number): [number, number] => {
  if (Math.abs(x) < 2 ** 20) {
    const n = Math.round(x / (Math.PI / 2));
    return [HALF_PI.reduce((r, part) => r - n * part, x), n & 3];
  }
  const whole = BigInt(Math.abs(x) < 2 ** 60 ? x * 2 ** 60 : x) << (Math.abs(x) < 2 ** 60 ? SCALE - 60n : SCALE);
  const unit = halfPiScaled();
  const n = (whole + (whole < 0n ? -unit : unit) / 2n) / unit; // the nearest
  return [Number((whole - n * unit) >> (SCALE - 200n)) * 2 ** -200, Number(n & 3n)];
};

/** sin(x + quarter π/2), x in radians. */
const wave = (x: number, quarter: number): number => {
  if (!Number.isFinite(x)) return Number.NaN;
  const [r, n] = quarters(x);
  const z = r * r;
  const isCosine = ((n + quarter) & 1) === 1;
  let rest = 0;
  for (let i = isCosine ? 18 : 19; i > 3; i -= 2) rest = (-z / (i * (i - 1))) * (1 + rest);
  const value = isCosine ? 1 - (z / 2) * (1 + rest) : r - r * (z / 6) * (1 + rest);
  return ((n + quarter) & 2) === 2 ? -value : value;
};

/** sin x, x in radians. */
export const sin = (x: number): number => (x === 0 ? x : wave(x, 0));

/** cos x, x in radians. */
export const cos = (x: number): number => wave(x, 1);
