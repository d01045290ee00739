/** Sine and cosine in WGSL, for every finite f32. */

/**
 * |x| = (q + r) π/2 for any finite x (Payne and Hanek): an exact 96-bit product with the bits of 2/π.
 * Returns (r π/2, q mod 4), |r| ≤ ½.
 */
export const QUARTER_TURNS = `fn word_of_two_over_pi(i: u32) -> u32 {
  switch i {
    case 1u: { return 0x28be60dbu; }
    case 2u: { return 0x9391054au; }
    case 3u: { return 0x7f09d5f4u; }
    case 4u: { return 0x7d4d3770u; }
    case 5u: { return 0x36d8a566u; }
    case 6u: { return 0x4f10e410u; }
    case 7u: { return 0x7f9458eau; }
    default: { return 0u; }
  }
}
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let mid = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let mid2 = (a & 0xffffu) * (b >> 16u) + (mid & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (mid >> 16u) + (mid2 >> 16u);
}
struct Turn { angle: f32, quadrant: u32 }
fn quarter_turns(x: f32) -> Turn {
  let a = abs(x);
  if (a < 0.785398) { return Turn(a, 0u); }
  let bits = bitcast<u32>(a);
  let e = (bits >> 23u) - 126u;
  let i = e >> 5u;
  let shift = e & 31u;
  let mantissa = (bits << 8u) | 0x80000000u;
  var hi = word_of_two_over_pi(i);
  var mid = word_of_two_over_pi(i + 1u);
  var lo = word_of_two_over_pi(i + 2u);
  if (shift > 0u) {
    hi = (hi << shift) | (mid >> (32u - shift));
    mid = (mid << shift) | (lo >> (32u - shift));
    lo = (lo << shift) | (word_of_two_over_pi(i + 3u) >> (32u - shift));
  }
  let carried = multiply_high(mantissa, lo);
  let low = mantissa * mid + carried;
  let high = mantissa * hi + multiply_high(mantissa, mid) + select(0u, 1u, low < carried);
  var q = high >> 30u;
  var top = high & 0x3fffffffu;
  var bottom = low;
  let beyond = (top & 0x20000000u) != 0u;
  if (beyond) {
    q += 1u;
    bottom = 0u - low;
    top = 0x40000000u - top - select(1u, 0u, low == 0u);
  }
  let r = (f32(top) + f32(bottom) * 2.3283064e-10) * 1.4629181e-9;
  return Turn(select(r, -r, beyond), q & 3u);
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

/** Absolute error 2e-7 for every finite x. */
export const SIN = `fn sin_f(x: f32) -> f32 {
  let t = quarter_turns(x);
  let y = select(sin_poly(t.angle), cos_poly(t.angle), (t.quadrant & 1u) == 1u);
  return select(y, -y, ((t.quadrant & 2u) != 0u) != (x < 0.0));
}`;
export const COS = `fn cos_f(x: f32) -> f32 {
  let t = quarter_turns(x);
  let y = select(cos_poly(t.angle), sin_poly(t.angle), (t.quadrant & 1u) == 1u);
  return select(y, -y, ((t.quadrant + 1u) & 2u) != 0u);
}`;
