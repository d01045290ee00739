import { builder, type Kernel } from "../../wgsl/module.js";
import { indented } from "../../wgsl/walk.js";
import { blockOf, finished } from "./engine.js";
import { frame } from "./frame.js";
import { type GradientPart, LABEL } from "./gradient.js";
import { knownOf } from "./known.js";
import { notesOf } from "./notes.js";
import { type Read, sizesOf } from "./operands.js";
import { BITS, declareWeights, noteQueries } from "./rows.js";
import { scoresOf } from "./scores.js";
import type { Tile } from "./tile.js";

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
  const t = blockOf(k, f, part.units);
  const { columns, rows, down, lanes } = f.measures;
  const exp = declareWeights(k);
  const { score, slope, factor } = scoresOf(k, part.scoring, BITS);
  const [{ put: putK }, { put: putV }] = [f.heads.result("dk", part.dk), f.heads.result("dv", part.dv)];
  const { level, delta, ranges, peaks } = notesOf(k, part, sizes, "read");
  const lifts = peaks && part.units?.lifts(k);
  const cts = lifts?.raised(f.ofQueries(readCt)) ?? f.ofQueries(readCt);
  const slots = k.param(sizes.slots);
  const ofKeys = (read: Read) => f.ofKeys(read, "firstSlot", slots);
  const hasFrom = ranges !== undefined;
  if (hasFrom) {
    for (const name of ["firstBlock", "lastBlock"]) k.declare(`var<workgroup> ${name}: atomic<u32>;`);
    k.func("fn begin_of(noted: vec4<f32>) -> u32", ["return u32(noted.z) | (u32(noted.w) << 16u);"]);
  }
  const [blocks, met] = [knownOf(k, hasFrom ? ["firstBlock", "lastBlock"] : []), knownOf(k, ["most"])];
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
    ...(lifts === undefined || peaks === undefined ? [] : lifts.ofBlocks(f, peaks)),
    ...t.zeroSums("dk"),
    ...t.zeroSums("dv"),
    ...(ranges === undefined
      ? []
      : [
          "if (lane == 0u) { atomicStore(&firstBlock, 0xffffffffu); atomicStore(&lastBlock, 0u); }",
          "workgroupBarrier();",
          `for (var e = lane; e < ${ranges.count}; e += ${lanes}u) {`,
          `  if (${ranges.first("e")} < firstSlot + ${rows}u && ${ranges.second("e")} > firstSlot) {`,
          "    atomicMin(&firstBlock, e);",
          "    atomicMax(&lastBlock, e + 1u);",
          "  }",
          "}",
          ...blocks.lines,
          `let firstItem = ${blocks.of("firstBlock")} * ${part.block}u / ${columns}u * ${columns}u;`,
          `let lastItem = min(${blocks.of("lastBlock")} * ${part.block}u, ${f.items});`,
        ]),
    `for (var first = ${hasFrom ? "firstItem" : "0u"}; first < ${hasFrom ? "lastItem" : f.items}; first += ${columns}u) {`,
    ...indented([
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
      ...met.lines,
      `if (${met.of("most")} != first + 1u) { continue; }`,
      ...t.product("s", ofKeys(readK), f.ofQueries(readQ)),
      ...t.product("d", ofKeys(readV), cts),
      ...(lifts?.lowered(t, "d") ?? []),
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
      ...t.share("s", lifts?.up.weight),
      ...t.addWeighted("dv", cts),
      "workgroupBarrier();",
      ...t.share("d", lifts?.up.change),
      ...t.addWeighted("dk", f.ofQueries(readQ)),
    ]),
    "}",
    ...(
      [
        ["dk", putK, lifts === undefined ? factor : `(${factor} * ${lifts.down.change})`],
        ["dv", putV, lifts && `(${lifts.down.ct} * ${lifts.down.weight})`],
      ] as const
    ).flatMap(([name, put, by]) =>
      t.store(
        name,
        (row) => f.at.key(`firstSlot + ${row}`),
        (row) => `firstSlot + ${row} < ${slots}`,
        put,
        by,
      ),
    ),
  ];
  return finished(k, f, body, part.units);
};
