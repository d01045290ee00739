import { type DType, type HalfType, isHalf } from "../../../core/index.js";

/** How a 16-bit dtype is read from raw words, two elements to a word. */
const halfAccessor = (name: string, dtype: HalfType): string =>
  `fn load_${name}_${dtype}(i: u32) -> f32 { return ${dtype}_value((${name}[i >> 1u] >> ((i & 1u) * 16u)) & 0xffffu); }\n`;

/** How elements of `dtype` pass through a buffer that holds f32 (only f32 in it) or raw words. */
export const accessors = (name: string, dtype: DType, raw: boolean, written: boolean, atomic: boolean): string => {
  if (atomic)
    return [
      `fn load_${name}_u32(i: u32) -> u32 { return atomicLoad(&${name}[i]); }`,
      `fn add_${name}_u32(i: u32, v: u32) { atomicAdd(&${name}[i], v); }\n`,
    ].join("\n");
  if (isHalf(dtype)) return halfAccessor(name, dtype);
  const [decode, encode] = {
    f32: raw ? ["bitcast<f32>(B[i])", "bitcast<u32>(v)"] : ["B[i]", "v"],
    i32: ["bitcast<i32>(B[i])", "bitcast<u32>(v)"],
    u32: ["B[i]", "v"],
    bool: ["B[i] != 0u", "select(0u, 1u, v)"],
  }[dtype].map((text) => text.replace("B", name));
  const load = `fn load_${name}_${dtype}(i: u32) -> ${dtype} { return ${decode}; }\n`;
  return written ? `${load}fn store_${name}_${dtype}(i: u32, v: ${dtype}) { ${name}[i] = ${encode}; }\n` : load;
};

export const quadType = (dtype: DType): string => (isHalf(dtype) ? "vec2<u32>" : "vec4<f32>");

/** Four neighbours at once, and one of them. */
export const quadAccessor = (name: string, dtype: DType): string => {
  const raw = `fn raw_${name}_${dtype}(i: u32) -> ${quadType(dtype)} { return ${name}[i / 4u]; }\n`;
  const load = `fn load_${name}_${dtype}(i: u32) -> f32`;
  if (!isHalf(dtype)) return `${raw}${load} { return ${name}[i / 4u][i % 4u]; }\n`;
  const half = `(${name}[i / 4u][i / 2u % 2u] >> ((i & 1u) * 16u)) & 0xffffu`;
  return `${raw}${load} { return ${dtype}_value(${half}); }\n`;
};
