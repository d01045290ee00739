import { builder, type Kernel } from "../../wgsl/module.js";
import { indented } from "../../wgsl/walk.js";
import { blockOf, type Engine, finished } from "./engine.js";
import type { ForwardPart } from "./forward.js";
import { frame } from "./frame.js";
import { WEIGHT_LIFT } from "./lifts.js";
import { declareInFours, lowest, NONE } from "./lines.js";
import { type Read, sizesOf } from "./operands.js";
import { BITS, declareWeights, divisor, maskedBy, overSlots, queryRows, totalOf } from "./rows.js";
import { scoresOf } from "./scores.js";
import type { Tile } from "./tile.js";

/**
 * As `forwardKernel`, on matrix units. Sums of theirs cannot be scaled row by row, so that key slots are gone over twice: the
 * first time for log Σ e^score, the second for weighted values.
 * Tolerance: what is multiplied is rounded to f16, weights too.
 */
export const forwardMatrixKernel = (part: ForwardPart, tile: Tile, engine: Engine): Kernel => {
  const { inputs, dtypes, scoring, output } = part;
  const [q, keys, values, ...bounds] = inputs;
  const sizes = sizesOf(q, keys);
  const k = builder("attention");
  const vectors = [q, keys, values].map((view, i) => ({ name: "qkv"[i], view, dtype: dtypes[i] }));
  const [readQ, readK, readV] = vectors;
  const f = frame(k, tile, sizes, sizes.time * sizes.share, { vectors, bounds, others: [output] });
  const t = blockOf(k, f, engine);
  const [exp, log] = [declareWeights(k), declareInFours(k, "log")];
  const { score } = scoresOf(k, scoring, BITS);
  const isSeen = maskedBy(k, f);
  const { put } = f.heads.result("out", output);
  const ofKeys = (read: Read) => f.ofKeys(read, "first", "end");
  const overKeys = (lines: readonly string[]) => [
    overSlots(f),
    ...indented([...t.product("s", f.ofQueries(readQ), ofKeys(readK)), ...lines]),
    "}",
  ];
  const body = [
    ...f.lines,
    ...queryRows(k, f),
    // Each invocation keeps a maximum of its own columns: they are joined at the end.
    `var top = ${lowest};`,
    "var sum = vec4<f32>();",
    ...overKeys([
      "var high = top;",
      ...t.eachColumn((j, place) => `s${j} = select(${lowest}, ${score(`s${j}`)}, ${isSeen(place)});`),
      ...t.eachColumn((j) => `high = max(high, s${j});`),
      `sum *= ${exp}(top - high);`,
      "top = high;",
      ...t.eachColumn((j, place) => `sum += select(vec4<f32>(), ${exp}(s${j} - top), ${isSeen(place)});`),
    ]),
    ...t.joined("top", "highest", "top", (x, y) => `max(${x}, ${y})`),
    `let share = ${exp}(top - highest);`,
    ...totalOf(t, "sum * share", "total"),
    `let level = highest + ${log}(${divisor("total")}) * ${BITS};`,
    ...t.zeroSums("o"),
    ...overKeys([
      ...t.eachColumn((j) => `s${j} = ${score(`s${j}`)};`),
      ...t.eachColumn((j, place) => `s${j} = select(vec4<f32>(), ${exp}(s${j} - level), ${isSeen(place)});`),
      ...t.share("s", WEIGHT_LIFT.up),
      ...t.addWeighted("o", ofKeys(readV)),
    ]),
    ...t.store(
      "o",
      (row) => `places[${row}]`,
      (row) => `places[${row}] != ${NONE}`,
      put,
      WEIGHT_LIFT.down,
    ),
  ];
  return finished(k, f, body, engine);
};
