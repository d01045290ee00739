import type { HalfType } from "../../../core/index.js";

/**
 * bf16 and f16 in WGSL: core/storage/half.ts line by line, on integers. No shader-f16 is asked for, and none of WGSL's own packing,
 * which may flush subnormals. Exact for every code and every f32, as long as a driver leaves the bits of an f32 alone that it
 * only moves; arithmetic on what is subnormal in f32 too (bf16 below 2^-126) it may flush. Choices by select, no branches.
 */
export type HalfHelper = `${HalfType}_${"value" | "values" | "quad" | "code" | "randomly"}`;

/** Code → f32, for one or, as a vector, four at once. */
const bf16Value = (name: string, float: string, bits: string): string =>
  `fn ${name}(code: ${bits}) -> ${float} { return bitcast<${float}>(code << ${bits}(16u)); }`;

/** Subnormals: fraction · 2^-24, which is exact and normal in f32. */
const f16Value = (name: string, float: string, bits: string): string => `fn ${name}(code: ${bits}) -> ${float} {
  let rebased = (code & ${bits}(0x7fffu)) << ${bits}(13u);
  let tiny = bitcast<${bits}>(${float}(code & ${bits}(0x3ffu)) * 5.9604644775390625e-8);
  let finite = select(rebased + ${bits}(0x38000000u), tiny, rebased < ${bits}(0x800000u));
  let magnitude = select(finite, rebased | ${bits}(0x7f800000u), rebased >= ${bits}(0xf800000u));
  return bitcast<${float}>(magnitude | ((code & ${bits}(0x8000u)) << ${bits}(16u)));
}`;

const quadValue = (dtype: HalfType): string => `fn ${dtype}_quad(w: vec2<u32>) -> vec4<f32> {
  return ${dtype}_values(vec4<u32>(w.x & 0xffffu, w.x >> 16u, w.y & 0xffffu, w.y >> 16u));
}`;

/** `_value`: code → f32. `_values`: four; `_quad`: four, from two words. `_code`: f32 → code, to nearest even. `_randomly`: by 32 random bits. */
export const HALF_HELPERS: Record<HalfHelper, string> = {
  bf16_value: bf16Value("bf16_value", "f32", "u32"),
  bf16_values: bf16Value("bf16_values", "vec4<f32>", "vec4<u32>"),
  bf16_quad: quadValue("bf16"),
  bf16_code: `fn bf16_code(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let near = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
  return select(near, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u);
}`,
  bf16_randomly: `fn bf16_randomly(x: f32, random: u32) -> u32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  let near = min((magnitude + (random & 0xffffu)) >> 16u, 0x7f7fu);
  return select(near | ((bits >> 16u) & 0x8000u), bf16_code(x), magnitude >= 0x7f800000u);
}`,
  f16_value: f16Value("f16_value", "f32", "u32"),
  f16_values: f16Value("f16_values", "vec4<f32>", "vec4<u32>"),
  f16_quad: quadValue("f16"),
  f16_code: `fn f16_code(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  let rebased = magnitude - 0x38000000u;
  let normal = (rebased + 0xfffu + ((rebased >> 13u) & 1u)) >> 13u;
  // A multiple of 2^-24.
  let shift = 126u - clamp(magnitude >> 23u, 102u, 112u);
  let significand = (magnitude & 0x7fffffu) | 0x800000u;
  let small = (significand + (1u << (shift - 1u)) - 1u + ((significand >> shift) & 1u)) >> shift;
  let tiny = select(small, 0u, magnitude < 0x33000000u);
  let finite = select(normal, tiny, magnitude < 0x38800000u);
  let all = select(finite, 0x7c00u, magnitude >= 0x477ff000u);
  let code = select(all, 0x7e00u | ((magnitude >> 13u) & 0x1ffu), magnitude > 0x7f800000u);
  return code | ((bits >> 16u) & 0x8000u);
}`,
  f16_randomly: `fn f16_randomly(x: f32, random: u32) -> u32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  let normal = min((magnitude - 0x38000000u + (random & 0x1fffu)) >> 13u, 0x7bffu);
  // A multiple of 2^-24. A significand that lies further below than 31 bits loses its last ones.
  let hidden = select(0u, 0x800000u, magnitude >= 0x800000u);
  let shift = 126u - clamp(magnitude >> 23u, 1u, 112u);
  let least = min(shift, 31u);
  let left = ((magnitude & 0x7fffffu) | hidden) >> min(shift - least, 31u);
  let small = (left + (random & ((1u << least) - 1u))) >> least;
  let code = select(normal, small, magnitude < 0x38800000u) | ((bits >> 16u) & 0x8000u);
  return select(code, f16_code(x), magnitude >= 0x7f800000u);
}`,
};
