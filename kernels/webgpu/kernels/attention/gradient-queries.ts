import { builder, type Kernel } from "../../wgsl/module.js";
import { indented } from "../../wgsl/walk.js";
import { blockOf, finished } from "./engine.js";
import { frame } from "./frame.js";
import { type GradientPart, LABEL } from "./gradient.js";
import { declareInFours, lowest, NONE } from "./lines.js";
import { notesOf } from "./notes.js";
import { type Read, sizesOf } from "./operands.js";
import { BITS, declareWeights, divisor, maskedBy, overSlots, queryRows, totalOf } from "./rows.js";
import { scoresOf } from "./scores.js";
import type { Tile } from "./tile.js";

/**
 * With p the softmax weights: dp = ct·v, δ = Σ p dp, ds = p (dp - δ), dq = scale Σ ds k.
 * A workgroup has a tile's rows of queries and goes over the key slots twice: the first time for log Σ e^score and δ (both go to
 * `notes` for the other kernel), the second for dq.
 */
export const queryKernel = (part: GradientPart, tile: Tile): Kernel => {
  const { inputs, dtypes } = part;
  const [ct, q, keys, values, ...bounds] = inputs;
  const sizes = sizesOf(q, keys);
  const k = builder(`${LABEL}-queries`);
  const vectors = [ct, q, keys, values].map((view, i) => ({ name: "cqkv"[i], view, dtype: dtypes[i] }));
  const [readCt, readQ, readK, readV] = vectors;
  const others = [part.dq, part.notes];
  const f = frame(k, tile, sizes, sizes.time * sizes.share, { vectors, bounds, others });
  const t = blockOf(k, f, part.units);
  const [exp, log] = [declareWeights(k), declareInFours(k, "log")];
  const { score, slope, factor } = scoresOf(k, part.scoring, BITS);
  const { put } = f.heads.result("dq", part.dq);
  const { level, delta, ranges, peaks } = notesOf(k, part, sizes, "write");
  const ofCt = f.ofQueries(readCt);
  const lifts = peaks && part.units?.lifts(k);
  const ofKeys = (read: Read) => f.ofKeys(read, "first", "end");
  const masked = maskedBy(k, f);
  const overKeys = (lines: readonly string[]) => [
    overSlots(f),
    ...indented(t.product("s", f.ofQueries(readQ), ofKeys(readK))),
    ...indented(t.product("d", lifts?.raised(ofCt) ?? ofCt, ofKeys(readV))),
    ...indented(lifts?.lowered(t, "d") ?? []),
    ...indented(lines),
    "}",
  ];
  const body = [
    ...f.lines,
    ...queryRows(k, f),
    ...(ranges === undefined ? [] : ["if (lane == 0u && slice == 0u)", ...ranges.store("block", "start", "end")]),
    ...(lifts?.ofRows(f, ofCt) ?? []),
    // Each invocation keeps a maximum of its own columns: they are joined at the end.
    `var top = ${lowest};`,
    "var sum = vec4<f32>();",
    "var slope = vec4<f32>();",
    ...overKeys([
      "var high = top;",
      ...t.eachColumn((j, place) => `s${j} = select(${lowest}, ${score(`s${j}`)}, ${masked(place)});`),
      ...t.eachColumn((j) => `high = max(high, s${j});`),
      `let fade = ${exp}(top - high);`,
      "top = high;",
      "sum *= fade;",
      "slope *= fade;",
      ...t.eachColumn((j, place) => `s${j} = select(vec4<f32>(), ${exp}(s${j} - top), ${masked(place)});`),
      ...t.eachColumn((j) => `sum += s${j};`),
      ...t.eachColumn((j, place) => `slope += select(vec4<f32>(), s${j} * d${j}, ${masked(place)});`),
      ...(lifts?.compared(t, "d", masked) ?? []),
    ]),
    ...t.joined("top", "highest", "top", (x, y) => `max(${x}, ${y})`),
    `let share = ${exp}(top - highest);`,
    ...totalOf(t, "sum * share", "total"),
    ...totalOf(t, "slope * share", "delta"),
    `let divisor = ${divisor("total")};`,
    "delta /= divisor;",
    `let level = highest + ${log}(divisor) * ${BITS};`,
    "if (x == 0u && slice == 0u) {",
    ...[..."xyzw"].flatMap((c, i) => [
      `  let place${i} = places[y + ${f.measures.down * i}u];`,
      `  if (place${i} != ${NONE}) {`,
      `    ${level.store(`place${i}`, `level.${c}`)}`,
      `    ${delta.store(`place${i}`, `delta.${c}`)}`,
      "  }",
    ]),
    "}",
    ...(lifts === undefined || peaks === undefined
      ? []
      : [
          ...lifts.change,
          "if (lane == 0u && slice == 0u)",
          ...peaks.store("block", lifts.peakOfCt, lifts.peakOfSlopes),
        ]),
    ...t.zeroSums("o"),
    ...overKeys([
      ...t.eachColumn((j) => `s${j} = ${score(`s${j}`)};`),
      ...t.eachColumn((j, place) => {
        const change = `${exp}(s${j} - level) * (d${j} - delta)${slope(`s${j}`)}`;
        return `s${j} = select(vec4<f32>(), ${change}, ${masked(place)});`;
      }),
      ...t.share("s", lifts?.up.change),
      ...t.addWeighted("o", ofKeys(readK)),
    ]),
    ...t.store(
      "o",
      (row) => `places[${row}]`,
      (row) => `places[${row}] != ${NONE}`,
      put,
      lifts === undefined ? factor : `(${factor} * ${lifts.down.change})`,
    ),
  ];
  return finished(k, f, body, part.units);
};
