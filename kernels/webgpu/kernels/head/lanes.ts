import { indent, upTo } from "../../wgsl/walk.js";
import type { Taking } from "../matmul/tiled.js";
import { type Noting, notes } from "./strips.js";

/** Columns of a strip. */
export const WIDTH = 64;
/** Invocations that share it: each has four of its columns, so many apart. */
export const SHARERS = WIDTH / 4;

/**
 * Takes a tile of logits that lies in registers: of each row and strip what `Strips` holds, by way of workgroup memory, and the
 * logit of the row's token. Strips are made and joined in one order whatever the tile, so that a row's bits depend on it alone.
 */
export const takeFromLanes =
  (noting: Noting): Taking =>
  ({ k, m, n }, { down, across, lanesDown, room, four, rowOf, columnOf }) => {
    const { pick, store } = notes(k, noting);
    let together = down;
    while (together * lanesDown * SHARERS > room) together /= 2;
    const lines = together * lanesDown; // rows at a time
    const turns = down / together;
    const rowAt = (line: string) => rowOf(`${line} % ${lanesDown}u`, `turn * ${together}u + ${line} / ${lanesDown}u`);
    const puts = upTo(across / 4).flatMap((q) =>
      upTo(turns).map((turn) =>
        upTo(together).map(
          (at) => `tile[(y + ${at * lanesDown}u) * ${SHARERS}u + x] = ${four(turn * together + at, q)};`,
        ),
      ),
    );
    return [
      `for (var phase = 0u; phase < ${puts.length}u; phase++) {`,
      `  let q = phase / ${turns}u;`,
      `  let turn = phase % ${turns}u;`,
      "  switch phase {",
      ...puts.flatMap((put, i) => [
        i === puts.length - 1 ? "    default: {" : `    case ${i}u: {`,
        indent(put, 6),
        "    }",
      ]),
      "  }",
      "  workgroupBarrier();",
      `  for (var at = lane; at < ${lines * SHARERS}u; at += ${lanesDown * SHARERS}u) {`,
      `    let c = column + vec4<u32>(${upTo(4).map((j) => columnOf(`(at % ${SHARERS}u)`, `4u * q + ${j}u`))});`,
      "    let logits = logits_of(tile[at]);",
      `    tile[at] = noted(logits, c < vec4<u32>(${n}));`,
      `    let r = ${rowAt(`(at / ${SHARERS}u)`)};`,
      `    if (row + r < ${m}) {`,
      indent(pick(n), 6),
      "    }",
      "  }",
      "  workgroupBarrier();",
      `  let r = ${rowAt("lane")};`,
      `  let begins = column + q * ${WIDTH}u;`,
      `  if (lane < ${lines}u && row + r < ${m} && begins < ${n}) {`,
      `    var strip = tile[lane * ${SHARERS}u];`,
      `    for (var at = 1u; at < ${SHARERS}u; at++) { strip = joined(strip, tile[lane * ${SHARERS}u + at]); }`,
      indent(store("begins"), 4),
      "  }",
      "  workgroupBarrier();",
      "}",
    ];
  };
