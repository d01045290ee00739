import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import { builder, type Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import { block } from "./block.js";
import { frame, NONE } from "./frame.js";
import { type Read, sizesOf } from "./operands.js";
import { BITS, declareWeights, divisor, lowest, maskedBy, overSlots, queryRows, totalOf } from "./rows.js";
import { type Scoring, scoresOf } from "./scores.js";
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
 * 0 · ∞ make NaN of the row, as it does by definition.)
 * Tolerance: one rounding a visible slot, of weighted values that are all at most the largest |v|.
 */
export const forwardKernel = ({ inputs, dtypes, scoring, output }: ForwardPart, tile: Tile): Kernel => {
  const [q, keys, values, ...bounds] = inputs;
  const sizes = sizesOf(q, keys);
  const k = builder("attention");
  const vectors = [q, keys, values].map((view, i) => ({ name: "qkv"[i], view, dtype: dtypes[i] }));
  const [readQ, readK, readV] = vectors;
  const f = frame(k, tile, sizes, sizes.time * sizes.share, { vectors, bounds, others: [output] });
  const t = block(k, f.measures, f.heads.quads);
  const exp = declareWeights(k);
  const { score } = scoresOf(k, scoring, BITS);
  const isSeen = maskedBy(k, f);
  const { put } = f.heads.result("out", output);
  const ofKeys = (read: Read) => f.ofKeys(read, "first", "end");
  const body = [
    ...f.lines,
    ...queryRows(k, f),
    ...t.zeroSums("o"),
    `var top = ${lowest};`,
    "var sum = vec4<f32>();",
    overSlots(f),
    ...[
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
    ].map((line) => `  ${line}`),
    "}",
    "workgroupBarrier();",
    ...totalOf(t, "sum", "total"),
    `let divisor = ${divisor("total")};`,
    ...t.eachSum("o", (o, row) => `${o} /= divisor.${row};`),
    ...t.store(
      "o",
      (row) => `places[${row}]`,
      (row) => `places[${row}] != ${NONE}`,
      put,
    ),
  ];
  return k.finish({ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) });
};
