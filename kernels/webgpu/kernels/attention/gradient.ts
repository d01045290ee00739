import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import { builder, type Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import { block } from "./block.js";
import { frame, NONE } from "./frame.js";
import { type Noted, notesOf } from "./notes.js";
import { type Read, sizesOf } from "./operands.js";
import { declareInFours, divisor, lowest, maskedBy, noteQueries, overSlots, queryRows, totalOf } from "./rows.js";
import { type Scoring, scoresOf } from "./scores.js";
import type { Tile } from "./tile.js";

/** Some sequences of a call, as both kernels see them. */
export interface GradientPart extends Noted {
  /** ct, q, k, v, position and, if there is one, from. */
  readonly inputs: readonly View[];
  readonly dtypes: readonly DType[];
  readonly scoring: Scoring;
  readonly dq: View;
  readonly dk: View;
  readonly dv: View;
}

export const LABEL = "attention.vjp";

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
  const t = block(k, f.measures, f.heads.quads);
  const [exp, log] = [declareInFours(k, "exp"), declareInFours(k, "log")];
  const { score, slope, factor } = scoresOf(k, part.scoring);
  const { put } = f.heads.result("dq", part.dq);
  const { level, delta, ranges } = notesOf(k, part, sizes, "write");
  const ofKeys = (read: Read) => f.ofKeys(read, "first", "end");
  const masked = maskedBy(k, f);
  const overKeys = (lines: readonly string[]) => [
    overSlots(f),
    ...t.product("s", f.ofQueries(readQ), ofKeys(readK)).map((line) => `  ${line}`),
    ...t.product("d", f.ofQueries(readCt), ofKeys(readV)).map((line) => `  ${line}`),
    ...lines.map((line) => `  ${line}`),
    "}",
  ];
  const body = [
    ...f.lines,
    ...queryRows(k, f),
    ...(ranges === undefined
      ? []
      : ["if (lane == 0u && slice == 0u) {", ...ranges.store("block", "start", "end"), "}"]),
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
    ]),
    ...t.joined("top", "highest", "top", (x, y) => `max(${x}, ${y})`),
    `let share = ${exp}(top - highest);`,
    ...totalOf(t, "sum * share", "total"),
    ...totalOf(t, "slope * share", "delta"),
    `let divisor = ${divisor("total")};`,
    "delta /= divisor;",
    `let level = highest + ${log}(divisor);`,
    "if (x == 0u && slice == 0u) {",
    ...[..."xyzw"].flatMap((c, i) => [
      `  let place${i} = places[y + ${f.measures.down * i}u];`,
      `  if (place${i} != ${NONE}) {`,
      `    ${level.store(`place${i}`, `level.${c}`)}`,
      `    ${delta.store(`place${i}`, `delta.${c}`)}`,
      "  }",
    ]),
    "}",
    ...t.zeroSums("o"),
    ...overKeys([
      ...t.eachColumn((j) => `s${j} = ${score(`s${j}`)};`),
      ...t.eachColumn((j, place) => {
        const change = `${exp}(s${j} - level) * (d${j} - delta)${slope(`s${j}`)}`;
        return `s${j} = select(vec4<f32>(), ${change}, ${masked(place)});`;
      }),
      ...t.share("s"),
      ...t.addWeighted("o", ofKeys(readK)),
    ]),
    ...t.eachSum("o", (o) => `${o} *= ${factor};`),
    ...t.store(
      "o",
      (row) => `places[${row}]`,
      (row) => `places[${row}] != ${NONE}`,
      put,
    ),
  ];
  return k.finish({ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) });
};

/**
 * dk = scale Σ ds q, dv = Σ p ct over all queries, of every head that shares it, that see the key. A workgroup has a tile's rows of
 * key slots and goes over the queries once, past those tiles of them that see none of its slots.
 */
export const keyKernel = (part: GradientPart, tile: Tile): Kernel => {
  const { inputs, dtypes } = part;
  const [ct, q, keys, values, ...bounds] = inputs;
  const sizes = sizesOf(q, keys);
  const k = builder(`${LABEL}-keys`);
  const vectors = [ct, q, keys, values].map((view, i) => ({ name: "cqkv"[i], view, dtype: dtypes[i] }));
  const [readCt, readQ, readK, readV] = vectors;
  const others = [part.dk, part.dv, part.notes];
  const f = frame(k, tile, sizes, sizes.slots, { vectors, bounds, others });
  const t = block(k, f.measures, f.heads.quads);
  const { columns, rows, down, lanes } = f.measures;
  const exp = declareInFours(k, "exp");
  const { score, slope, factor } = scoresOf(k, part.scoring);
  const [{ put: putK }, { put: putV }] = [f.heads.result("dk", part.dk), f.heads.result("dv", part.dv)];
  const { level, delta, ranges } = notesOf(k, part, sizes, "read");
  const slots = k.param(sizes.slots);
  const ofKeys = (read: Read) => f.ofKeys(read, "firstSlot", slots);
  const hasFrom = ranges !== undefined;
  if (hasFrom) {
    for (const name of ["firstBlock", "lastBlock"]) k.declare(`var<workgroup> ${name}: atomic<u32>;`);
    k.func("fn begin_of(noted: vec4<f32>) -> u32", ["return u32(noted.z) | (u32(noted.w) << 16u);"]);
  }
  const isSeen = (place: string) =>
    hasFrom
      ? `(slot < vec4<u32>(seen[${place}])) & (slot >= vec4<u32>(begin_of(weights[${place}])))`
      : `slot < vec4<u32>(seen[${place}])`;
  const isMet = `sees > firstSlot${hasFrom ? ` && begin < firstSlot + ${rows}u` : ""}`;
  const body = [
    ...f.lines,
    `let firstSlot = block * ${rows}u;`,
    `let slot = vec4<u32>(firstSlot + y) + vec4<u32>(${[0, 1, 2, 3].map((i) => `${down * i}u`).join(", ")});`,
    "if (lane == 0u) { atomicStore(&most, 0u); }",
    ...t.zeroSums("dk"),
    ...t.zeroSums("dv"),
    ...(ranges === undefined
      ? []
      : [
          "if (lane == 0u) { atomicStore(&firstBlock, 0xffffffffu); atomicStore(&lastBlock, 0u); }",
          "workgroupBarrier();",
          `for (var e = lane; e < ${ranges.count}; e += ${lanes}u) {`,
          `  if (${ranges.meets("e", "firstSlot", `firstSlot + ${rows}u`)}) {`,
          "    atomicMin(&firstBlock, e);",
          "    atomicMax(&lastBlock, e + 1u);",
          "  }",
          "}",
          "workgroupBarrier();",
          `let firstItem = workgroupUniformLoad(&firstBlock) * ${part.block}u / ${columns}u * ${columns}u;`,
          `let lastItem = min(workgroupUniformLoad(&lastBlock) * ${part.block}u, ${f.items});`,
        ]),
    `for (var first = ${hasFrom ? "firstItem" : "0u"}; first < ${hasFrom ? "lastItem" : f.items}; first += ${columns}u) {`,
    ...[
      "workgroupBarrier();", // nobody needs the last tile's notes
      ...noteQueries(k, f, columns, "first", [
        // Weights are not needed yet: until then their memory holds log Σ e^score, δ and, in halves, the first slot that is seen.
        `var noted = vec4<f32>(${hasFrom ? "0.0, 0.0, f32(begin & 0xffffu), f32(begin >> 16u)" : ""});`,
        `if (${isMet}) {`,
        "  atomicMax(&most, first + 1u);",
        `  noted.x = ${level.load("place")};`,
        `  noted.y = ${delta.load("place")};`,
        "}",
        "weights[e] = noted;",
      ]),
      "if (workgroupUniformLoad(&most) != first + 1u) { continue; }",
      ...t.product("s", ofKeys(readK), f.ofQueries(readQ)),
      ...t.product("d", ofKeys(readV), f.ofQueries(readCt)),
      ...t.eachColumn((j, place) => {
        const level = `vec4<f32>(weights[${place}].x)`;
        return [
          `let c${j} = ${score(`s${j}`)};`,
          `s${j} = select(vec4<f32>(), ${exp}(c${j} - ${level}), ${isSeen(place)});`,
        ].join("\n");
      }),
      ...t.eachColumn((j, place) => {
        const change = `s${j} * (d${j} - vec4<f32>(weights[${place}].y))${slope(`c${j}`)}`;
        return `d${j} = select(vec4<f32>(), ${change}, ${isSeen(place)});`;
      }),
      "workgroupBarrier();",
      ...t.share("s"),
      ...t.addWeighted("dv", f.ofQueries(readCt)),
      "workgroupBarrier();",
      ...t.share("d"),
      ...t.addWeighted("dk", f.ofQueries(readQ)),
    ].map((line) => `  ${line}`),
    "}",
    ...t.eachSum("dk", (sum) => `${sum} *= ${factor};`),
    ...(
      [
        ["dk", putK],
        ["dv", putV],
      ] as const
    ).flatMap(([name, put]) =>
      t.store(
        name,
        (row) => f.at.key(`firstSlot + ${row}`),
        (row) => `firstSlot + ${row} < ${slots}`,
        put,
      ),
    ),
  ];
  return k.finish({ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) });
};
