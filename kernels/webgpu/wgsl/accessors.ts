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

/** Four numbers as they come out of memory. */
export const quadType = (dtype: DType): string => (isHalf(dtype) ? "vec2<u32>" : `vec4<${dtype}>`);

/** Of a buffer that holds quads, four f32 (only f32 in it) or raw words: four neighbours at once, one of them, and four written. */
export const quadAccessors = (name: string, dtype: DType, raw: boolean, written: boolean): string => {
  const place = `${name}[i >> 2u]`;
  const heads = {
    raw: `fn raw_${name}_${dtype}(i: u32) -> ${quadType(dtype)}`,
    load: `fn load_${name}_${dtype}(i: u32) ->`,
    store: `fn store_${name}_${dtype}(i: u32, v:`,
  };
  if (isHalf(dtype)) {
    const half = `(${place}[(i >> 1u) & 1u] >> ((i & 1u) * 16u)) & 0xffffu`;
    const pair = (low: string, high: string) => `${dtype}_code(v.${low}) | (${dtype}_code(v.${high}) << 16u)`;
    return [
      `${heads.raw} { return ${place}; }\n${heads.load} f32 { return ${dtype}_value(${half}); }\n`,
      written ? `${heads.store} vec4<f32>) { ${place} = vec2<u32>(${pair("x", "y")}, ${pair("z", "w")}); }\n` : "",
    ].join("");
  }
  const decoded = (held: string, type: (of: string) => string) =>
    ({
      f32: raw ? `bitcast<${type("f32")}>(${held})` : held,
      i32: `bitcast<${type("i32")}>(${held})`,
      u32: held,
      bool: `${held} != ${type("u32")}()`,
    })[dtype];
  const encoded = {
    f32: raw ? "bitcast<vec4<u32>>(v)" : "v",
    i32: "bitcast<vec4<u32>>(v)",
    u32: "v",
    bool: "select(vec4<u32>(), vec4<u32>(1u), v)",
  }[dtype];
  return [
    `${heads.raw} { return ${decoded(place, (of) => `vec4<${of}>`)}; }\n`,
    `${heads.load} ${dtype} { return ${decoded(`${place}[i & 3u]`, (of) => of)}; }\n`,
    written ? `${heads.store} vec4<${dtype}>) { ${place} = ${encoded}; }\n` : "",
  ].join("");
};
