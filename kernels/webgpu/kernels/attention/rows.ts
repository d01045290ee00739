import type { Builder } from "../../wgsl/module.js";
import type { Block } from "./block.js";
import { type Frame, NONE } from "./frame.js";

/** A score below all others: WGSL may assume that there are no infinities. */
export const lowest = "vec4<f32>(-1e30)";

/** Declares the function of four numbers at once; its name. */
export const declareInFours = (k: Builder, name: "exp" | "log"): string => {
  const one = k.helper(`${name}_f`);
  const parts = [..."xyzw"].map((c) => `${one}(x.${c})`).join(", ");
  k.func(`fn ${name}_four(x: vec4<f32>) -> vec4<f32>`, [`return vec4<f32>(${parts});`]);
  return `${name}_four`;
};

/**
 * Lines that note of each row or column of the tile, queries from item `first` on, which head vector is its own and how many slots
 * it sees: in `places` and `seen`; then `more` about `e`, `place` and `sees`. A barrier must follow.
 */
export const noteQueries = (
  k: Builder,
  { items, at, measures }: Frame,
  count: number,
  first: string,
  more: readonly string[],
): string[] => {
  k.declare(`var<workgroup> places: array<u32, ${count}>;`);
  k.declare(`var<workgroup> seen: array<u32, ${count}>;`);
  k.declare("var<workgroup> most: atomic<u32>;");
  return [
    `for (var e = lane; e < ${count}u; e += ${measures.lanes}u) {`,
    `  let item = ${first} + e;`,
    `  var place = ${NONE};`,
    "  var sees = 0u;",
    `  if (item < ${items}) {`,
    `    place = ${at.query("item")};`,
    `    sees = ${at.visible("item")};`,
    "  }",
    "  places[e] = place;",
    "  seen[e] = sees;",
    ...more.map((line) => `  ${line}`),
    "}",
  ];
};

/**
 * Lines for kernels whose rows are queries: `sees`, the number of slots that each of the invocation's rows sees, and `end`, the
 * largest of the workgroup's.
 */
export const queryRows = (k: Builder, f: Frame): string[] => {
  const { rows, down } = f.measures;
  const sees = [0, 1, 2, 3].map((i) => `seen[y + ${down * i}u]`).join(", ");
  return [
    "if (lane == 0u) { atomicStore(&most, 0u); }",
    "workgroupBarrier();",
    ...noteQueries(k, f, rows, `block * ${rows}u`, ["atomicMax(&most, sees);"]),
    "workgroupBarrier();",
    "let end = workgroupUniformLoad(&most);",
    `let sees = vec4<u32>(${sees});`,
  ];
};

/** Which rows see the slot at that place of the tile. */
export const maskedBy = (place: string): string => `sees > vec4<u32>(first + ${place})`;

/** Declares `to`, the sum of what each invocation of a row has. Everybody must be past the last barrier that used weights. */
export const totalOf = (t: Block, value: string, to: string): string[] =>
  t.joined(value, to, "vec4<f32>()", (x, y) => `${x} + ${y}`);
