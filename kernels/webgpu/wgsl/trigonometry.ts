/** Sine and cosine in WGSL, for every f32. No branches, as everywhere in helpers.ts. */

/**
 * |x| = (q + r) π/2 for any finite x (Payne and Hanek): an exact 96-bit product with the bits of 2/π.
 * Returns (r π/2, q mod 4), |r| ≤ ½.
 */
export const QUARTER_TURNS = `const TWO_OVER_PI = array<u32, 8>(
  0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau);
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let mid = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let mid2 = (a & 0xffffu) * (b >> 16u) + (mid & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (mid >> 16u) + (mid2 >> 16u);
}
struct Turn { angle: f32, quadrant: u32 }
fn quarter_turns(x: f32) -> Turn {
  let a = abs(x);
  let bits = bitcast<u32>(a);
  let e = max(bits >> 23u, 126u) - 126u;
  let i = e >> 5u;
  let shift = e & 31u;
  let mantissa = (bits << 8u) | 0x80000000u;
  let w1 = TWO_OVER_PI[i + 1u];
  let w2 = TWO_OVER_PI[i + 2u];
  let hi = (TWO_OVER_PI[i] << shift) | ((w1 >> 1u) >> (31u - shift));
  let mid = (w1 << shift) | ((w2 >> 1u) >> (31u - shift));
  let lo = (w2 << shift) | ((TWO_OVER_PI[i + 3u] >> 1u) >> (31u - shift));
  let carried = multiply_high(mantissa, lo);
  let low = mantissa * mid + carried;
  let high = mantissa * hi + multiply_high(mantissa, mid) + select(0u, 1u, low < carried);
  let part = high & 0x3fffffffu;
  let beyond = (part & 0x20000000u) != 0u;
  let top = select(part, 0x40000000u - part - select(1u, 0u, low == 0u), beyond);
  let bottom = select(low, 0u - low, beyond);
  let r = (f32(top) + f32(bottom) * 2.3283064e-10) * 1.4629181e-9;
  let q = (high >> 30u) + select(0u, 1u, beyond);
  let near = a < 0.785398;
  return Turn(select(select(r, -r, beyond), a, near), select(q & 3u, 0u, near));
}`;

/** On |r| ≤ π/4; minimax polynomials. */
export const SIN_POLY = `fn sin_poly(r: f32) -> f32 {
  let z = r * r;
  return r + r * z * ((2.7183114e-6 * z - 1.9839334e-4) * z * z + 8.3333293e-3 * z - 0.16666666);
}`;
export const COS_POLY = `fn cos_poly(r: f32) -> f32 {
  let z = r * r;
  return 1.0 + z * (-0.5 + z * (4.1666646e-2 + z * (-1.3887316e-3 + z * 2.4433157e-5)));
}`;

/** Absolute error 2e-7 for every finite x; NaN for all others. */
export const SIN = `fn sin_f(x: f32) -> f32 {
  let t = quarter_turns(x);
  let y = select(sin_poly(t.angle), cos_poly(t.angle), (t.quadrant & 1u) == 1u);
  let turned = select(y, -y, ((t.quadrant & 2u) != 0u) != (x < 0.0));
  return select(turned, nan(), (bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u);
}`;
export const COS = `fn cos_f(x: f32) -> f32 {
  let t = quarter_turns(x);
  let y = select(cos_poly(t.angle), sin_poly(t.angle), (t.quadrant & 1u) == 1u);
  let turned = select(y, -y, ((t.quadrant + 1u) & 2u) != 0u);
  return select(turned, nan(), (bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u);
}`;
