import type { Builder } from "../../wgsl/module.js";
import { indented } from "../../wgsl/walk.js";
import type { Block } from "./block.js";
import type { Frame } from "./frame.js";
import { knownOf } from "./known.js";
import { NONE, rangeOf } from "./lines.js";

/** log₂ e. */
export const BITS = Math.LOG2E;

/**
 * Declares 2ˣ of four numbers at once, x ≤ 1; its name. 3 · 2⁻²⁴ relative, down to 2⁻¹²⁶: less becomes that, and −∞ 0. NaN stays
 * NaN, and ∞ becomes it: the zero that both are multiplied by is a parameter, which no compiler knows. Half as long as e^x of any x, and most
 * of a softmax.
 */
export const declareWeights = (k: Builder): string => {
  const powers = [1.326472731307149e-3, 9.671512991189957e-3, 5.550733581185341e-2, 0.24022242426872253];
  k.func("fn weights_of(x: vec4<f32>) -> vec4<f32>", [
    "let least = max(x, vec4<f32>(-126.0));",
    "let n = round(least);",
    "let r = least - n;",
    "let none = x < vec4<f32>(-3e38);",
    "let odd = select(x, r, none);",
    `var p = vec4<f32>(${powers[0]});`,
    ...[...powers.slice(1), 0.6931470036506653].map((c) => `p = fma(p, r, vec4<f32>(${c}));`),
    `p = fma(p, r, fma(odd, vec4<f32>(${k.hidden("0.0")}), vec4<f32>(1.0)));`,
    // n + 127 as the exponent of a number: the low bits of a sum whose unit is 1.
    "return select(p * bitcast<vec4<f32>>(bitcast<vec4<u32>>(n + 12583039.0) << vec4<u32>(23u)), vec4<f32>(), none);",
  ]);
  return "weights_of";
};

/**
 * Lines that note of each row or column of the tile, queries from item `first` on, which head vector is its own and the end of the
 * slots that it sees: in `places` and `seen`; then `more` about `e`, `place`, `sees` and, where there is a lower bound, `begin`: NONE
 * if it sees nothing. A barrier must follow.
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
    ...indented(more),
    "}",
  ];
};

/**
 * Lines for kernels whose rows are queries: `sees`, the end of the slots that each of the invocation's rows sees, and `end`, the
 * largest of the workgroup's; `begin` and `start` are their first ones, `start` at the beginning of a tile.
 */
export const queryRows = (k: Builder, f: Frame): string[] => {
  const { rows, columns, down } = f.measures;
  const ofRows = (notes: string) => `vec4<u32>(${[0, 1, 2, 3].map((i) => `${notes}[y + ${down * i}u]`).join(", ")})`;
  const ifFrom = (line: string) => (f.at.from === undefined ? [] : [line]);
  if (f.at.from !== undefined) {
    k.declare("var<workgroup> least: atomic<u32>;");
    k.declare(`var<workgroup> begins: array<u32, ${rows}>;`);
  }
  const known = knownOf(k, ["most", ...ifFrom("least")]);
  return [
    "if (lane == 0u) { atomicStore(&most, 0u); }",
    ...ifFrom(`if (lane == 0u) { atomicStore(&least, ${NONE}); }`),
    "workgroupBarrier();",
    ...noteQueries(k, f, rows, `block * ${rows}u`, [
      "atomicMax(&most, sees);",
      ...ifFrom("atomicMin(&least, begin); begins[e] = begin;"),
    ]),
    ...known.lines,
    `let end = ${known.of("most")};`,
    `let sees = ${ofRows("seen")};`,
    ...ifFrom(`let start = ${known.of("least")} / ${columns}u * ${columns}u;`),
    ...ifFrom(`let begin = ${ofRows("begins")};`),
  ];
};

/** A loop's beginning that passes over the tiles of slots, by default all that `queryRows` found to be seen. */
export const overSlots = ({ at, measures }: Frame, from = at.from === undefined ? "0u" : "start", to = "end"): string =>
  `for (var first = ${from}; first < ${to}; first += ${measures.columns}u) {`;

/** Which rows see the slot at that place of the tile. */
export const maskedBy = (k: Builder, { at }: Frame): ((place: string) => string) => {
  if (at.from === undefined) return (place) => `sees > vec4<u32>(first + ${place})`;
  k.func("fn is_in(slot: u32, begin: vec4<u32>, end: vec4<u32>) -> vec4<bool>", [
    "return (begin <= vec4<u32>(slot)) & (end > vec4<u32>(slot));",
  ]);
  return (place) => `is_in(first + ${place}, begin, sees)`;
};

/** Declares `to`, the sum of what each invocation of a row has. Everybody must be past the last barrier that used weights. */
export const totalOf = (t: Block, value: string, to: string): string[] =>
  t.joined(value, to, "vec4<f32>()", (x, y) => `${x} + ${y}`);

/** What a row's sum is divided by: 1 where it sees nothing, and all of its weights are 0. */
export const divisor = (total: string): string => `select(${total}, vec4<f32>(1.0), sees == vec4<u32>())`;
