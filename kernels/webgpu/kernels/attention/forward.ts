import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import { builder, type Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import { block } from "./block.js";
import { frame, NONE } from "./frame.js";
import { type Read, sizesOf } from "./operands.js";
import { declareInFours, lowest, maskedBy, queryRows, totalOf } from "./rows.js";
import type { Tile } from "./tile.js";

/** Some sequences of a call. */
export interface ForwardPart {
  /** q, k, v, position. */
  readonly inputs: readonly View[];
  readonly dtypes: readonly DType[];
  readonly scale: number;
  readonly output: View;
}

/**
 * A workgroup has a tile's rows of queries, and goes over the key slots that any of them sees once, keeping each row's largest
 * score, sum and weighted values in registers (online softmax: Milakov & Gimelshein 2018; Dao 2022). A row's bits do not depend on
 * its neighbours: slots that it does not see weigh exactly 0. (Only where such a slot holds NaN or ∞ and a neighbour sees it does
 * 0 · ∞ make NaN of the row, as it does by definition.)
 * Tolerance: one rounding a visible slot, of weighted values that are all at most the largest |v|.
 */
export const forwardKernel = ({ inputs, dtypes, scale, output }: ForwardPart, tile: Tile): Kernel => {
  const [q, keys, values, position] = inputs;
  const sizes = sizesOf(q, keys);
  const k = builder("attention");
  const vectors = [q, keys, values].map((view, i) => ({ name: "qkv"[i], view, dtype: dtypes[i] }));
  const [readQ, readK, readV] = vectors;
  const f = frame(k, tile, sizes, sizes.time * sizes.share, { vectors, position, others: [output] });
  const t = block(k, f.measures, f.heads.quads);
  const exp = declareInFours(k, "exp");
  const factor = k.floatParam(scale);
  const { put } = f.heads.result("out", output);
  const ofKeys = (read: Read) => f.ofKeys(read, "first", "end");
  const body = [
    ...f.lines,
    ...queryRows(k, f),
    ...t.zeroSums("o"),
    `var top = ${lowest};`,
    "var sum = vec4<f32>();",
    `for (var first = 0u; first < end; first += ${f.measures.columns}u) {`,
    ...[
      ...t.product("s", f.ofQueries(readQ), ofKeys(readK)),
      ...t.eachColumn((j, place) => `s${j} = select(${lowest}, s${j} * ${factor}, ${maskedBy(place)});`),
      "var high = top;",
      ...t.eachColumn((j) => `high = max(high, s${j});`),
      ...t.joined("high", "highest", "top", (x, y) => `max(${x}, ${y})`),
      `let fade = ${exp}(top - highest);`,
      "top = highest;",
      ...t.eachColumn((j, place) => `s${j} = select(vec4<f32>(), ${exp}(s${j} - top), ${maskedBy(place)});`),
      "sum *= fade;",
      ...t.eachColumn((j) => `sum += s${j};`),
      ...t.share("s"),
      ...t.eachSum("o", (o, row) => `${o} *= fade.${row};`),
      ...t.addWeighted("o", ofKeys(readV)),
    ].map((line) => `  ${line}`),
    "}",
    "workgroupBarrier();",
    ...totalOf(t, "sum", "total"),
    ...t.eachSum("o", (o, row) => `${o} /= total.${row};`),
    ...t.store(
      "o",
      (row) => `places[${row}]`,
      (row) => `places[${row}] != ${NONE}`,
      put,
    ),
  ];
  return k.finish({ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) });
};
