import { HALF_HELPERS, type HalfHelper } from "./halves.js";
import { COS, COS_POLY, QUARTER_TURNS, SIN, SIN_POLY } from "./trigonometry.js";

export type HelperName =
  | HalfHelper
  | "infinity"
  | "nan"
  | "is_nan"
  | "less_f"
  | "less_equal_f"
  | "equal_f"
  | "not_zero"
  | "sign_f"
  | "sqrt_f"
  | "rsqrt_f"
  | "max_nan"
  | "min_nan"
  | "exp_f"
  | "log_f"
  | "expm1_f"
  | "log1p_unit"
  | "log1p_f"
  | "atan_f"
  | "quarter_turns"
  | "sin_poly"
  | "cos_poly"
  | "sin_f"
  | "cos_f"
  | "tanh_f"
  | "erf_f"
  | "sigmoid_f"
  | "softplus_f"
  | "threefry_words"
  | "threefry_bits"
  | "magnitude_bits"
  | "f32_to_i32"
  | "f32_to_u32";

/**
 * Functions in WGSL that kernels ask for by name; those that they call come with them.
 *
 * WGSL promises little: sin and cos 2^-11, log 2^-21 near 1, exp (3 + 2|x|) ulp, tanh may overflow. These are ours. The
 * tolerances in the comments are measured against f64 by a law (props/kernels/webgpu/webgpu-math.test.ts); they assume a
 * driver that evaluates in the order written, as Dawn's SPIR-V asks.
 *
 * A driver may also assume that there is no NaN and no infinity. So neither is computed: both come as data and are chosen by
 * tests on bits, and what an operation makes of NaN is not used. Chosen by select, never by a branch: drivers
 * may compile a kernel anew for the parameters that a branch depends on, and then these are constants, to be folded.
 */
export const HELPERS: Record<HelperName, string> = {
  ...HALF_HELPERS,

  infinity: "fn infinity() -> f32 { return bitcast<f32>(P[0].x); }",
  nan: "fn nan() -> f32 { return bitcast<f32>(P[0].y); }",

  // A compiler may take x != x for false.
  is_nan: "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }",

  max_nan: "fn max_nan(x: f32, y: f32) -> f32 { return select(select(max(x, y), y, is_nan(y)), x, is_nan(x)); }",
  min_nan: "fn min_nan(x: f32, y: f32) -> f32 { return select(select(min(x, y), y, is_nan(y)), x, is_nan(x)); }",

  // A comparison with NaN may give either answer, and its negation be taken for the opposite comparison.
  less_f: "fn less_f(x: f32, y: f32) -> bool { return (x < y) & !is_nan(x) & !is_nan(y); }",
  less_equal_f: "fn less_equal_f(x: f32, y: f32) -> bool { return (x <= y) & !is_nan(x) & !is_nan(y); }",
  equal_f: "fn equal_f(x: f32, y: f32) -> bool { return (x == y) & !is_nan(x) & !is_nan(y); }",
  // Of all NaNs one.
  magnitude_bits: `fn magnitude_bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  return select(bits, 0x7fc00000u, bits > 0x7f800000u);
}`,
  not_zero: "fn not_zero(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) != 0u; }",

  sign_f: `fn sign_f(x: f32) -> f32 {
  let one = bitcast<f32>((bitcast<u32>(x) & 0x80000000u) | 0x3f800000u);
  return select(x, one, not_zero(x) & !is_nan(x));
}`,

  // 3 ulp by the specification, correctly rounded on most devices. Undefined below 0; 0, infinity and NaN stay.
  sqrt_f: `fn sqrt_f(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let y = select(sqrt(x), nan(), (bits > 0x80000000u) | is_nan(x));
  return select(y, x, (bits == 0u) | (bits == 0x80000000u) | (bits == 0x7f800000u));
}`,

  // 2 ulp by the specification. Undefined from 0 down: ∞ with the sign of 0.
  rsqrt_f: `fn rsqrt_f(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let y = select(inverseSqrt(x), nan(), (bits > 0x80000000u) | is_nan(x));
  return select(y, select(infinity(), -infinity(), bits != 0u), (bits & 0x7fffffffu) == 0u);
}`,

  // 2 ulp. x = n ln 2 + r; eʳ by its series; 2ⁿ in two factors, since n reaches 128 and -149.
  exp_f: `fn exp_f(x: f32) -> f32 {
  let c = clamp(x, -104.0, 89.0);
  let n = round(c * 1.44269504);
  let r = (c - n * 0.693359375) + n * 2.12194440e-4;
  var p = 1.98412698e-4;
  p = p * r + 1.38888889e-3;
  p = p * r + 8.33333333e-3;
  p = p * r + 4.16666667e-2;
  p = p * r + 1.66666667e-1;
  p = p * r + 0.5;
  p = p * r * r + r + 1.0;
  let k = i32(n);
  let half = k >> 1u;
  let y = p * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(k - half + 127) << 23u);
  return select(y, x, is_nan(x));
}`,

  // 3 ulp. x = m 2ᵉ, √½ ≤ m < √2; log m = 2 atanh((m - 1) / (m + 1)).
  log_f: `fn log_f(x: f32) -> f32 {
  let tiny = (bitcast<u32>(x) & 0x7fffffffu) < 0x00800000u;
  let bits = bitcast<u32>(select(x, x * 8388608.0, tiny));
  let shifted = bits - 0x3f3504f3u;
  let e = f32((bitcast<i32>(shifted) >> 23u) - select(0, 23, tiny));
  let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
  let s = (m - 1.0) / (m + 1.0);
  let z = s * s;
  let series = ((0.111111111 * z + 0.142857143) * z + 0.2) * z + 0.333333333;
  let y = e * 0.693359375 + (2.0 * s + (2.0 * s * z * series - e * 2.12194440e-4));
  let finite = select(y, -infinity(), (bits & 0x7fffffffu) == 0u);
  return select(select(finite, x, bits == 0x7f800000u), nan(), (bits > 0x80000000u) | is_nan(x));
}`,

  // 5 ulp. Near 0 by the series, where eˣ - 1 would cancel.
  expm1_f: `fn expm1_f(x: f32) -> f32 {
  var p = 2.48015873e-5;
  p = p * x + 1.98412698e-4;
  p = p * x + 1.38888889e-3;
  p = p * x + 8.33333333e-3;
  p = p * x + 4.16666667e-2;
  p = p * x + 1.66666667e-1;
  p = p * x + 0.5;
  return select(select(exp_f(x) - 1.0, x + x * x * p, abs(x) < 0.5), x, is_nan(x));
}`,

  // log(1 + e) for -½ ≤ e ≤ 1, 3 ulp: 2 atanh(e / (2 + e)), without the cancellation of log(1 + e).
  log1p_unit: `fn log1p_unit(e: f32) -> f32 {
  let s = e / (2.0 + e);
  let z = s * s;
  var p = 0.0666666667;
  p = p * z + 0.0769230769;
  p = p * z + 0.0909090909;
  p = p * z + 0.111111111;
  p = p * z + 0.142857143;
  p = p * z + 0.2;
  p = p * z + 0.333333333;
  return 2.0 * (s + s * z * p);
}`,

  log1p_f: `fn log1p_f(x: f32) -> f32 {
  let y = select(log_f(1.0 + x), log1p_unit(clamp(x, -0.5, 1.0)), (x >= -0.5) & (x <= 1.0));
  return select(y, x, is_nan(x));
}`,

  // 4 ulp. The angle of 1/x beyond 1, and of (x - 1)/(x + 1) beyond tan π/8 (Cephes).
  atan_f: `fn atan_f(x: f32) -> f32 {
  let a = min(abs(x), 1e30);
  let t = select(a, 1.0 / max(a, 1.0), a > 1.0);
  let mid = t > 0.414213562;
  let u = select(t, (t - 1.0) / (t + 1.0), mid);
  let z = u * u;
  let p = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
  let near = select(0.0, 0.785398163, mid) + (u + u * z * p);
  let y = select(near, 1.57079633 - near, a > 1.0);
  return select(select(y, -y, x < 0.0), x, is_nan(x) | (a == 0.0));
}`,

  quarter_turns: QUARTER_TURNS,
  sin_poly: SIN_POLY,
  cos_poly: COS_POLY,
  sin_f: SIN, // 2e-7 absolute
  cos_f: COS, // 2e-7 absolute

  // 4 ulp. A polynomial near 0 (Cephes), else 1 - 2 / (e^2|x| + 1).
  tanh_f: `fn tanh_f(x: f32) -> f32 {
  let a = min(abs(x), 10.0);
  let z = a * a;
  var p = -5.70498872e-3;
  p = p * z + 2.06390888e-2;
  p = p * z - 5.37397155e-2;
  p = p * z + 1.33314422e-1;
  p = p * z - 3.33332819e-1;
  let near = a + a * z * p;
  let y = select(1.0 - 2.0 / (exp_f(2.0 * a) + 1.0), near, a < 0.625);
  return select(select(y, -y, x < 0.0), x, is_nan(x));
}`,

  // 4 ulp. Polynomial near 0, else 1 - e^p(|x|) (N. Juffa).
  erf_f: `fn erf_f(x: f32) -> f32 {
  let a = min(abs(x), 4.0);
  let z = a * a;
  var far = (-1.72853470e-5 * a + 3.83197126e-4) * z + (-3.88396438e-3 * a + 2.42546219e-2);
  far = far * a - 1.06777877e-1;
  far = far * a - 6.34846687e-1;
  far = far * a - 1.28717512e-1;
  far = 1.0 - exp_f(far * a - a);
  var near = -5.96761703e-4;
  near = near * z + 4.99119423e-3;
  near = near * z - 2.67681349e-2;
  near = near * z + 1.12819925e-1;
  near = near * z - 3.76125336e-1;
  near = near * z + 1.28379166e-1;
  let y = select(near * a + a, far, a > 0.927734375);
  return select(select(y, -y, x < 0.0), x, is_nan(x));
}`,

  // 4 ulp; the exponential never overflows.
  sigmoid_f: `fn sigmoid_f(x: f32) -> f32 {
  let e = exp_f(-abs(x));
  return select(select(1.0, e, x < 0.0) / (1.0 + e), x, is_nan(x));
}`,
  softplus_f: `fn softplus_f(x: f32) -> f32 {
  return select(max(x, 0.0) + log1p_unit(exp_f(-abs(x))), x, is_nan(x));
}`,

  // Exact: core/ops/definitions.ts, threefry and threefryBits.
  threefry_words: `fn threefry_words(k0: u32, k1: u32, counter: u32, domain: u32) -> vec2<u32> {
  let k2 = k0 ^ k1 ^ 0x1bd11bdau;
  var a = counter + k0;
  var b = domain + k1;
${[0, 1, 2, 3, 4]
  .flatMap((block) => [
    ...(block % 2 === 0 ? [13, 15, 26, 6] : [17, 29, 16, 24]).map(
      (r) => `  a += b; b = ((b << ${r}u) | (b >> ${32 - r}u)) ^ a;`,
    ),
    `  a += k${(block + 1) % 3}; b += k${(block + 2) % 3} + ${block + 1}u;`,
  ])
  .join("\n")}
  return vec2<u32>(a, b);
}`,
  threefry_bits: `fn threefry_bits(k0: u32, k1: u32, index: u32, domain: u32) -> u32 {
  let words = threefry_words(k0, k1, (index >> 3u) * 4u + (index & 3u), domain);
  return select(words.x, words.y, ((index >> 2u) & 1u) == 1u);
}`,

  // Truncate and saturate; NaN gives 0. The bounds are the outermost f32 inside the integer range.
  f32_to_i32: `fn f32_to_i32(x: f32) -> i32 {
  let low = select(i32(x), -2147483647 - 1, x <= -2147483648.0);
  return select(select(low, 2147483647, x >= 2147483648.0), 0, is_nan(x));
}`,
  f32_to_u32: `fn f32_to_u32(x: f32) -> u32 {
  let high = select(u32(max(x, 0.0)), 0xffffffffu, x >= 4294967296.0);
  return select(high, 0u, is_nan(x));
}`,
};

const called = new Map<HelperName, readonly HelperName[]>();
/** The helpers that one calls. */
export const calledBy = (name: HelperName): readonly HelperName[] => {
  const known = called.get(name);
  if (known !== undefined) return known;
  const words = [...HELPERS[name].matchAll(/\b\w+(?=\()/g)].map(([word]) => word);
  const found = words.filter((word): word is HelperName => word !== name && Object.hasOwn(HELPERS, word));
  called.set(name, found);
  return found;
};
