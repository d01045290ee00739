import type { Builder } from "../../wgsl/module.js";
import type { Block, Vectors } from "./block.js";
import type { Frame } from "./frame.js";
import { knownOf } from "./known.js";

/** A weight, 0 … 1, as f16: raised, so that those of many slots are still told apart. */
export const WEIGHT_LIFT = { up: "1024.0", down: "0.0009765625" } as const;

/** Two words of each block of queries: bits of the largest |ct|, and of the largest |ct·v| that a weight comes with. */
interface Peaks {
  readonly count: string;
  readonly first: (block: string) => string;
  readonly second: (block: string) => string;
}

/**
 * Powers of two that bring what is rounded to f16 into its range: cotangents may be of any size. The largest cotangent becomes
 * 1 … 2, and so does a bound of changes of scores, weight · (ct·v - δ): twice the largest |ct·v|.
 */
export const liftsOf = (k: Builder) => {
  k.func("fn lift_of(peak: u32, more: u32) -> vec2<f32>", [
    "let exponent = peak >> 23u;",
    // Of 0, ∞ and NaN there is nothing to raise.
    "let e = select(clamp(exponent + more, 1u, 253u), 127u, exponent == 0u || exponent == 255u);",
    "return vec2<f32>(bitcast<f32>((254u - e) << 23u), bitcast<f32>(e << 23u));",
  ]);
  k.func("fn largest_bits(x: vec4<f32>) -> u32", [
    "let bits = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);",
    "return max(max(bits.x, bits.y), max(bits.z, bits.w));",
  ]);
  for (const name of ["peak_ct", "peak_slope"]) k.declare(`var<workgroup> ${name}: atomic<u32>;`);
  const start = [
    "if (lane == 0u) { atomicStore(&peak_ct, 0u); atomicStore(&peak_slope, 0u); }",
    "var most_slope = 0u;",
    "workgroupBarrier();",
  ];
  const [ct, slope] = [knownOf(k, ["peak_ct"]), knownOf(k, ["peak_slope"])];
  const ofCt = [...ct.lines, `let lift_ct = lift_of(${ct.of("peak_ct")}, 0u);`];
  const ofChange = [...slope.lines, `let lift_change = lift_of(${slope.of("peak_slope")}, 1u);`];
  return {
    up: { weight: WEIGHT_LIFT.up, change: "lift_change.x" },
    down: { weight: WEIGHT_LIFT.down, ct: "lift_ct.y", change: "lift_change.y" },
    peakOfCt: "atomicLoad(&peak_ct)",
    peakOfSlopes: "atomicLoad(&peak_slope)",
    /** Lines of a kernel of queries that look at its cotangents. */
    ofRows: ({ measures, heads }: Frame, vectors: Vectors): string[] => [
      ...start,
      `for (var e = lane; e < ${measures.rows}u * ${heads.quads}; e += ${measures.lanes}u) {`,
      `  let outer = e / ${heads.quads};`,
      `  let inner = e % ${heads.quads};`,
      "  var value = vec4<f32>();",
      `  ${vectors("outer", "inner")}`,
      "  atomicMax(&peak_ct, largest_bits(value));",
      "}",
      ...ofCt,
    ],
    /** Lines of a kernel of keys that read what all blocks of queries noted. */
    ofBlocks: ({ measures }: Frame, { count, first, second }: Peaks): string[] => [
      ...start,
      `for (var e = lane; e < ${count}; e += ${measures.lanes}u) {`,
      `  atomicMax(&peak_ct, ${first("e")});`,
      `  atomicMax(&peak_slope, ${second("e")});`,
      "}",
      ...ofCt,
      ...ofChange,
    ],
    /** Vectors of cotangents, raised; and products with them as they would be else. */
    raised:
      (vectors: Vectors): Vectors =>
      (index, quad) =>
        `${vectors(index, quad)} value *= lift_ct.x;`,
    lowered: (t: Block, name: string): string[] => t.eachColumn((j) => `${name}${j} *= lift_ct.y;`),
    /** Lines that look at products where they count; and what follows when all have been looked at. */
    compared: (t: Block, name: string, isSeen: (place: string) => string): string[] =>
      t.eachColumn(
        (j, place) => `most_slope = max(most_slope, largest_bits(select(vec4<f32>(), ${name}${j}, ${isSeen(place)})));`,
      ),
    change: ["atomicMax(&peak_slope, most_slope);", ...ofChange],
  };
};
