import { indent } from "../../wgsl/walk.js";
import type { MatrixTaking } from "../matmul/matrices.js";
import { LOWEST, type Noting, notes } from "./strips.js";

/** The largest whole number of sharers, `most` at most, that `fours` can be dealt out to evenly. */
const sharers = (fours: number, most: number): number => {
  let count = Math.max(1, Math.min(fours, Math.floor(most)));
  while (fours % count !== 0) count--;
  return count;
};

/**
 * Takes a tile of logits that lies in subgroup matrices, a strip as wide as the tile: of each row what `Strips` holds, and the
 * logit of its token. One row of matrices at a time, and of each subgroup one of them: through workgroup memory, `sums`.
 */
export const takeFromMatrices =
  (noting: Noting): MatrixTaking =>
  ({ k, m, n }, { tile, shape, lanes, put }) => {
    const { down, across, tall, wide } = tile;
    const { pick, store } = notes(k, noting);
    const [lines, fours] = [down * shape.m, (across * shape.n) / 4];
    const each = sharers(fours, lanes / lines);
    const area = shape.m * shape.n;
    const rowOf = (line: string) =>
      `${line} / ${shape.m}u * ${tall * shape.m}u + i * ${shape.m}u + ${line} % ${shape.m}u`;
    const own = [
      `for (var four = lane % ${each}u; four < ${fours}u; four += ${each}u) {`,
      "  let at = four * 4u;",
      `  let e = (line / ${shape.m}u * ${across}u + at / ${shape.n}u) * ${area}u + line % ${shape.m}u * ${shape.n}u + at % ${shape.n}u;`,
      `  let c = column + at / ${shape.n}u * ${wide * shape.n}u + j * ${shape.n}u + at % ${shape.n}u + vec4<u32>(0u, 1u, 2u, 3u);`,
      "  let logits = logits_of(vec4<f32>(sums[e], sums[e + 1u], sums[e + 2u], sums[e + 3u]));",
      `  note = joined(note, noted(logits, c < vec4<u32>(${n})));`,
      `  if (row + r < ${m}) {`,
      indent(pick(n), 4),
      "  }",
      "}",
    ];
    return [
      `let line = lane / ${each}u;`,
      `for (var i = 0u; i < ${tall}u; i++) {`,
      `  var note = vec4<f32>(${LOWEST}, 0.0, 0.0, 0.0);`,
      `  for (var j = 0u; j < ${wide}u; j++) {`,
      indent(put(`i * ${wide}u + j`), 4),
      "    workgroupBarrier();",
      `    if (line < ${lines}u) {`,
      `      let r = ${rowOf("line")};`,
      indent(own, 6),
      "    }",
      "    workgroupBarrier();",
      "  }",
      `  if (line < ${lines}u) { for (var j = 0u; j < 4u; j++) { sums[lane * 4u + j] = note[j]; } }`,
      "  workgroupBarrier();",
      `  let r = ${rowOf("lane")};`,
      `  if (lane < ${lines}u && row + r < ${m}) {`,
      `    var strip = vec4<f32>(${LOWEST}, 0.0, 0.0, 0.0);`,
      `    for (var at = lane * ${4 * each}u; at < (lane + 1u) * ${4 * each}u; at += 4u) {`,
      "      strip = joined(strip, vec4<f32>(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]));",
      "    }",
      indent(store("column"), 4),
      "  }",
      "  workgroupBarrier();",
      "}",
    ];
  };
