import type { View } from "../../../plan/steps.js";
import type { Builder } from "../../wgsl/module.js";
import { indented, upTo } from "../../wgsl/walk.js";
import { NONE, rangeOf } from "./lines.js";
import { type Bound, fours, type Places, places, type Sizes } from "./operands.js";

/**
 * Attention on adapters that run on the CPU: no barrier, nothing shared; a row belongs to one invocation, and the eight of a
 * workgroup (lavapipe's vector) look at the same columns at once, so that these are one load for all of them. Scores of `COLUMNS`
 * columns are in registers; results lie in memory and are gone through in fours, once a tile. No loop over a head is unrolled.
 */
export const LANES = 8;
const COLUMNS = 8;

const groups = upTo(COLUMNS / 4);

/** What of a column lies where: its group of four, and its component there. */
const ofColumn = (name: string, column: number): string => `${name}${column >> 2}.${"xyzw"[column & 3]}`;

/** Declares `sees` and, with a lower bound, `begin` of an item. */
const declared = (at: Places, item: string): string[] => [
  "var sees = 0u;",
  ...(at.from === undefined ? [] : [`var begin = ${NONE};`]),
  ...rangeOf(at, item),
];

/** Text about tiles of `COLUMNS` columns by the workgroup's rows. */
export const lanes = (k: Builder, sizes: Sizes, bound: Bound, rowCount: number, result: readonly View[]) => {
  const { batch, time, groups: shared, share, depth } = sizes;
  const at = places(k, sizes, bound.bounds);
  const blocks = Math.ceil(rowCount / LANES);
  const workgroups = batch * shared * blocks;
  const [G, B] = [k.param(shared), k.param(batch)];
  const rows = k.param(rowCount);
  const items = k.param(time * share);
  const heads = fours(k, depth, bound);
  const hasFrom = at.from !== undefined;
  const each = (line: (group: number) => string): string[] => groups.map(line);
  const columns = (line: (column: number) => string): string[] => upTo(COLUMNS).map(line);
  const overHead = (lines: readonly string[]): string[] => [
    `for (var quad = 0u; quad < ${heads.quads}; quad++) {`,
    ...indented(lines),
    "}",
  ];
  const results = result.map((view, i) => heads.result(`result${i}`, view));
  return {
    ...{ at, items, each, columns, workgroups, workgroupSize: LANES, tile: COLUMNS },
    load: heads.load,
    /** Defines b, g, `firstRow` and `row`; rows past the last repeat it, and write nothing. */
    lines: [
      `if (group >= ${k.param(workgroups)}) { return; }`,
      `let g = group % ${G};`,
      `let b = group / ${G} % ${B};`,
      `let firstRow = group / ${G} / ${B} * ${LANES}u;`,
      `let isRow = firstRow + lane < ${rows};`,
      `let row = min(firstRow + lane, ${rows} - 1u);`,
    ],
    /**
     * Lines for rows that are queries: `place`, `sees`, and `end`, the largest `sees` of the workgroup; with a lower bound, `begin`
     * and `start`, the beginning of the tile of the least of them.
     */
    queryRows: [
      `let place = ${at.query("row")};`,
      "var isGoingOn = false;", // is there anything in the results yet?
      "var end = 0u;",
      ...(hasFrom ? [`var start = ${NONE};`] : []),
      `for (var e = 0u; e < ${LANES}u; e++) {`,
      `  let other = min(firstRow + e, ${rows} - 1u);`,
      ...declared(at, "other"),
      "  end = max(end, sees);",
      ...(hasFrom ? ["  start = min(start, begin);"] : []),
      "}",
      ...(hasFrom ? [`start = start / ${COLUMNS}u * ${COLUMNS}u;`] : []),
      ...declared(at, "row"),
    ],
    /** Goes over the key slots that any row of the workgroup sees, a tile at a time; `key0` … : head vectors, `isSeen0` … . */
    overKeys: (text: readonly string[]) => [
      "isGoingOn = false;",
      `for (var first = ${hasFrom ? "start" : "0u"}; first < end; first += ${COLUMNS}u) {`,
      ...columns((c) => `  let key${c} = ${at.key(`min(first + ${c}u, end - 1u)`)};`),
      ...columns((c) => `  let isSeen${c} = sees > first + ${c}u${hasFrom ? ` && begin <= first + ${c}u` : ""};`),
      ...indented(text),
      "  isGoingOn = true;",
      "}",
    ],
    /** Which of four columns the row sees, or is seen by: `isSeen0` … */
    mask: (group: number) => `vec4<bool>(${[0, 1, 2, 3].map((c) => `isSeen${4 * group + c}`).join(", ")})`,
    /** Declares `<name>…` : each product of a row's vector with the columns'; several at once. */
    products: (of: readonly { name: string; row: (quad: string) => string; column: (n: number) => string }[]) => [
      ...of.flatMap(({ name }) => each((i) => `var ${name}${i} = vec4<f32>();`)),
      ...overHead(
        of.flatMap(({ name, row, column }) => [
          `let ${name}_row = ${row("quad")};`,
          ...each((i) => {
            const dots = [0, 1, 2, 3].map((c) => `dot(${name}_row, ${column(4 * i + c)})`);
            return `${name}${i} += vec4<f32>(${dots.join(", ")});`;
          }),
        ]),
      ),
    ],
    /** Result `n` at vector `place` = itself (nothing before the first tile) times `fade`, and the columns' vectors by the weights. */
    add: (n: number, place: string, weight: string, column: (n: number) => string, fade?: string) =>
      overHead([
        "var value = vec4<f32>();",
        `if (isGoingOn) { value = ${results[n].load}(${place}, quad)${fade === undefined ? "" : ` * ${fade}`}; }`,
        // What is not seen is left out: 0 · ∞ would be NaN.
        ...columns((c) => {
          const sum = `fma(vec4<f32>(${ofColumn(weight, c)}), ${column(c)}, value)`;
          return `value = select(value, ${sum}, isSeen${c});`;
        }),
        `if (isRow) { ${results[n].put}(${place}, quad, value); }`,
      ]),
    /** Result `n` at vector `place`: what becomes of four numbers of it, `value`. */
    finish: (n: number, place: string, value: string) =>
      overHead([
        `let value = ${results[n].load}(${place}, quad);`,
        `if (isRow) { ${results[n].put}(${place}, quad, ${value}); }`,
      ]),
  };
};
