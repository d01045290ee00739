import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import { builder, type Kernel } from "../../wgsl/module.js";
import { indent, indented } from "../../wgsl/walk.js";
import { block } from "./block.js";
import { frame } from "./frame.js";
import { lowest, NONE } from "./lines.js";
import { type Read, sizesOf } from "./operands.js";
import { BITS, declareWeights, divisor, maskedBy, overSlots, queryRows, totalOf } from "./rows.js";
import { type Scoring, scoresOf } from "./scores.js";
import { type Apart, joined, notesOfSpans, SPAN, spansOf } from "./spans.js";
import type { Tile } from "./tile.js";

/** Some sequences of a call. */
export interface ForwardPart {
  /** q, k, v, position and, if there is one, from. */
  readonly inputs: readonly View[];
  readonly dtypes: readonly DType[];
  readonly scoring: Scoring;
  readonly output: View;
}

/**
 * A workgroup has a tile's rows of queries, and goes over the key slots that any of them sees once, keeping each row's largest
 * score, sum and weighted values in registers (online softmax: Milakov & Gimelshein 2018; Dao 2022). A row's bits do not depend on
 * its neighbours: slots that it does not see weigh exactly 0. (Only where such a slot holds NaN or ∞ and a neighbour sees it does
 * 0 · ∞ make NaN of the row, as it does by definition.) Of several spans of slots the results so far lie in the output; or, `apart`,
 * each has workgroups of its own, and another kernel joins them.
 * Tolerance: one rounding a visible slot, of weighted values that are all at most the largest |v|.
 */
export const forwardKernel = (part: ForwardPart, tile: Tile, apart?: Apart): Kernel => {
  const { inputs, dtypes, scoring, output } = part;
  const [q, keys, values, ...bounds] = inputs;
  const sizes = sizesOf(q, keys);
  const spans = spansOf(sizes);
  const k = builder("attention");
  const vectors = [q, keys, values].map((view, i) => ({ name: "qkv"[i], view, dtype: dtypes[i] }));
  const [readQ, readK, readV] = vectors;
  const target = apart?.sums ?? output;
  const bound = { vectors, bounds, others: [target, ...(apart === undefined ? [] : [apart.notes])] };
  const f = frame(k, tile, sizes, sizes.time * sizes.share, bound, apart === undefined ? 1 : spans);
  const t = block(k, f.measures, f.heads.quads);
  const exp = declareWeights(k);
  const { score } = scoresOf(k, scoring, BITS);
  const isSeen = maskedBy(k, f);
  const { load, put } = f.heads.result("out", target);
  const ofKeys = (read: Read) => f.ofKeys(read, "first", "end");
  const over = (slots: string): string[] => [
    slots,
    ...indented([
      ...t.product("s", f.ofQueries(readQ), ofKeys(readK)),
      ...t.eachColumn((j, place) => `s${j} = select(${lowest}, ${score(`s${j}`)}, ${isSeen(place)});`),
      "var high = top;",
      ...t.eachColumn((j) => `high = max(high, s${j});`),
      ...t.joined("high", "highest", "top", (x, y) => `max(${x}, ${y})`),
      `let fade = ${exp}(top - highest);`,
      "top = highest;",
      ...t.eachColumn((j, place) => `s${j} = select(vec4<f32>(), ${exp}(s${j} - top), ${isSeen(place)});`),
      "sum *= fade;",
      ...t.eachColumn((j) => `sum += s${j};`),
      ...t.share("s"),
      // Most tiles have no score above those before: nothing fades.
      "if (any(fade != vec4<f32>(1.0))) {",
      ...t.eachSum("o", (o, row) => `  ${o} *= fade.${row};`),
      "}",
      ...t.addWeighted("o", ofKeys(readV)),
    ]),
    "}",
    "workgroupBarrier();",
    ...totalOf(t, "sum", "total"),
  ];
  const hasFrom = f.at.from !== undefined;
  const span = overSlots(f, hasFrom ? "max(start, span)" : "span", `min(end, span + ${SPAN}u)`);
  const rows = { place: (row: string) => `places[${row}]`, isRow: (row: string) => `places[${row}] != ${NONE}` };
  const divided = (total: string): string[] => [
    `let divisor = ${divisor(total)};`,
    ...t.eachSum("o", (o, row) => `${o} /= divisor.${row};`),
  ];
  const alone = () => [...over(overSlots(f)), ...divided("total"), ...t.store("o", rows.place, rows.isRow, put)];
  const oneByOne = () => [
    "var level = top;",
    "var whole = sum;",
    `let begun = ${hasFrom ? `select(start / ${SPAN}u * ${SPAN}u, 0u, end == 0u)` : "0u"};`,
    `for (var span = begun; span < max(end, 1u); span += ${SPAN}u) {`,
    ...indented([
      `top = ${lowest};`,
      "sum = vec4<f32>();",
      ...t.eachSum("o", (o) => `${o} = vec4<f32>();`),
      ...over(span),
      ...joined(exp, "total"),
      "if (span > begun) {",
      ...t.become(
        "o",
        rows,
        (o, quad, row) => `fma(${o}, vec4<f32>(gain.${row}), ${load}(at, ${quad}) * before.${row})`,
      ),
      "}",
      `if (span + ${SPAN}u >= end) {`,
      ...divided("whole"),
      "}",
      ...t.store("o", rows.place, rows.isRow, put),
    ]),
    "}",
  ];
  const eachAlone = (to: Apart) => {
    const notes = notesOfSpans(k, to, sizes, "write");
    return [
      `let span = turn * ${SPAN}u;`,
      ...over(span),
      ...t.store("o", (row) => notes.vector(rows.place(row), "turn"), rows.isRow, put),
      "if (x == 0u && slice == 0u) {",
      ...[..."xyzw"].flatMap((c, i) => [
        `  let place${i} = places[y + ${f.measures.down * i}u];`,
        `  if (place${i} != ${NONE}) { ${notes.store(`place${i}`, "turn", `top.${c}`, `total.${c}`)} }`,
      ]),
      "}",
    ];
  };
  const body = [
    ...f.lines,
    ...queryRows(k, f),
    ...t.zeroSums("o"),
    `var top = ${lowest};`,
    "var sum = vec4<f32>();",
    ...(apart !== undefined ? eachAlone(apart) : spans > 1 ? oneByOne() : alone()),
  ];
  return k.finish({ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) });
};
