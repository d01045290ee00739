import type { Builder } from "../../wgsl/module.js";
import type { Block } from "./block.js";
import { type Frame, NONE } from "./frame.js";
import type { Places, Sizes } from "./operands.js";

/** A score below all others: WGSL may assume that there are no infinities. */
export const lowest = "vec4<f32>(-1e30)";

/** Declares the function of four numbers at once; its name. */
export const declareInFours = (k: Builder, name: "exp" | "log" | "tanh"): string => {
  const one = k.helper(`${name}_f`);
  const parts = [..."xyzw"].map((c) => `${one}(x.${c})`).join(", ");
  k.func(`fn ${name}_four(x: vec4<f32>) -> vec4<f32>`, [`return vec4<f32>(${parts});`]);
  return `${name}_four`;
};

/**
 * Lines that note of each row or column of the tile, queries from item `first` on, which head vector is its own and which slots
 * it sees: in `places`, `seen` and, where it matters, `begins`, which is NONE if it sees nothing; then `more` about `e`, `place`,
 * `sees` and `begin`. A barrier must follow.
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
  const hasFrom = at.from !== undefined;
  if (hasFrom) k.declare(`var<workgroup> begins: array<u32, ${count}>;`);
  return [
    `for (var e = lane; e < ${count}u; e += ${measures.lanes}u) {`,
    `  let item = ${first} + e;`,
    `  var place = ${NONE};`,
    "  var sees = 0u;",
    ...(hasFrom ? [`  var begin = ${NONE};`] : []),
    `  if (item < ${items}) {`,
    `    place = ${at.query("item")};`,
    ...rangeOf(at, "item").map((line) => `    ${line}`),
    "  }",
    "  places[e] = place;",
    "  seen[e] = sees;",
    ...(hasFrom ? ["  begins[e] = begin;"] : []),
    ...more.map((line) => `  ${line}`),
    "}",
  ];
};

/** Lines that set `sees` and `begin` of an item; nothing is seen: 0 and NONE. */
export const rangeOf = (at: Places, item: string): string[] => [
  `sees = ${at.visible(item)};`,
  ...(at.from === undefined ? [] : [`begin = ${at.from(item)};`, `if (begin >= sees) { sees = 0u; begin = ${NONE}; }`]),
];

/**
 * Lines for kernels whose rows are queries: `sees`, the end of the slots that each of the invocation's rows sees, and `end`, the
 * largest of the workgroup's; `begin` and `start` are their first ones, `start` at the beginning of a tile.
 */
export const queryRows = (k: Builder, f: Frame): string[] => {
  const { rows, columns, down } = f.measures;
  const ofRows = (notes: string) => `vec4<u32>(${[0, 1, 2, 3].map((i) => `${notes}[y + ${down * i}u]`).join(", ")})`;
  const ifFrom = (line: string) => (f.at.from === undefined ? [] : [line]);
  if (f.at.from !== undefined) k.declare("var<workgroup> least: atomic<u32>;");
  return [
    "if (lane == 0u) { atomicStore(&most, 0u); }",
    ...ifFrom(`if (lane == 0u) { atomicStore(&least, ${NONE}); }`),
    "workgroupBarrier();",
    ...noteQueries(k, f, rows, `block * ${rows}u`, ["atomicMax(&most, sees);", ...ifFrom("atomicMin(&least, begin);")]),
    "workgroupBarrier();",
    "let end = workgroupUniformLoad(&most);",
    `let sees = ${ofRows("seen")};`,
    ...ifFrom(`let start = workgroupUniformLoad(&least) / ${columns}u * ${columns}u;`),
    ...ifFrom(`let begin = ${ofRows("begins")};`),
  ];
};

/** A loop's beginning that passes over the tiles of slots that `queryRows` found to be seen. */
export const overSlots = ({ at, measures }: Frame): string =>
  `for (var first = ${at.from === undefined ? "0u" : "start"}; first < end; first += ${measures.columns}u) {`;

/** Which rows see the slot at that place of the tile. */
export const maskedBy =
  ({ at }: Frame) =>
  (place: string): string =>
    at.from === undefined
      ? `sees > vec4<u32>(first + ${place})`
      : `(sees > vec4<u32>(first + ${place})) & (begin <= vec4<u32>(first + ${place}))`;

/** Declares `to`, the sum of what each invocation of a row has. Everybody must be past the last barrier that used weights. */
export const totalOf = (t: Block, value: string, to: string): string[] =>
  t.joined(value, to, "vec4<f32>()", (x, y) => `${x} + ${y}`);

/**
 * Lines for kernels whose columns are queries: `firstItem`, at the beginning of a tile, and `lastItem` span the items that
 * `isMet`, a condition on `sees` and `begin`, holds for. What queries see is data: all of them are asked.
 */
export const itemRange = (k: Builder, { at, measures }: Frame, { time, share }: Sizes, isMet: string): string[] => {
  const [T, each] = [time, share].map((n) => k.param(n));
  for (const name of ["leastItem", "mostItem"]) k.declare(`var<workgroup> ${name}: atomic<u32>;`);
  return [
    `if (lane == 0u) { atomicStore(&leastItem, ${NONE}); atomicStore(&mostItem, 0u); }`,
    "workgroupBarrier();",
    `for (var t = lane; t < ${T}; t += ${measures.lanes}u) {`,
    "  var sees = 0u;",
    `  var begin = ${NONE};`,
    ...rangeOf(at, `(t * ${each})`).map((line) => `  ${line}`),
    `  if (${isMet}) {`,
    `    atomicMin(&leastItem, t * ${each});`,
    `    atomicMax(&mostItem, (t + 1u) * ${each});`,
    "  }",
    "}",
    "workgroupBarrier();",
    `let firstItem = workgroupUniformLoad(&leastItem) / ${measures.columns}u * ${measures.columns}u;`,
    "let lastItem = workgroupUniformLoad(&mostItem);",
  ];
};

/** What a row's sum is divided by: 1 where it sees nothing, and all of its weights are 0. */
export const divisor = (total: string): string => `select(${total}, vec4<f32>(1.0), sees == vec4<u32>())`;
