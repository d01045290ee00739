import type { Builder } from "../../wgsl/module.js";
import type { Places } from "./operands.js";

/** The place of what is not. */
export const NONE = "0xffffffffu";
/** A score below all others: WGSL may assume that there are no infinities. */
export const lowest = "vec4<f32>(-1e30)";

/** Declares the function of four numbers at once; its name. */
export const declareInFours = (k: Builder, name: "exp" | "log" | "tanh"): string => {
  const one = k.helper(`${name}_f`);
  const parts = [..."xyzw"].map((c) => `${one}(x.${c})`).join(", ");
  k.func(`fn ${name}_four(x: vec4<f32>) -> vec4<f32>`, [`return vec4<f32>(${parts});`]);
  return `${name}_four`;
};

/** Lines that set `sees` and `begin` of an item; nothing is seen: 0 and NONE. */
export const rangeOf = (at: Places, item: string): string[] => [
  `sees = ${at.visible(item)};`,
  ...(at.from === undefined ? [] : [`begin = ${at.from(item)};`, `if (begin >= sees) { sees = 0u; begin = ${NONE}; }`]),
];
