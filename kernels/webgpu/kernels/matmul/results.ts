import { indent, indented, upTo } from "../../wgsl/walk.js";

/** Numbers that the invocations of a workgroup hold: each `down` rows by `across` columns, `lanesDown` × `lanesAcross` of them. */
export interface Held {
  readonly down: number;
  readonly across: number;
  readonly lanesDown: number;
  readonly lanesAcross: number;
  /** Fours that workgroup memory, `tile`, has room for. */
  readonly room: number;
  /** Text of four neighbouring columns of an invocation's row. */
  readonly four: (row: number, q: number) => string;
  /** Row of the tile of row i of the invocation with place y, as text. */
  readonly rowOf: (y: string, i: string) => string;
  /** Column of the tile of number j, 4q … 4q + 3 for the four q, of the invocation with place x. */
  readonly columnOf: (x: string, j: string) => string;
  /** Do an invocation's columns lie `lanesAcross` apart? Else its fours do. */
  readonly columnsApart: boolean;
}

/**
 * Lines that take what was summed up through workgroup memory, as many rows at a time as it has room for, so that what becomes
 * of a number is in the text once, and neighbours write neighbours. `each` are lines about `sum`, at `r`, `c` of the tile.
 */
export const resultLines = (held: Held, each: readonly string[]): string[] => {
  const { down, across, lanesDown, lanesAcross, room, columnsApart } = held;
  const columns = across * lanesAcross;
  let strip = down;
  while (strip * lanesDown * columns > 4 * room) strip /= 2;
  const lanes = lanesDown * lanesAcross;
  const put = (h: number) =>
    upTo(strip).flatMap((i) =>
      upTo(across / 4).map(
        (q) =>
          `tile[(y + ${i * lanesDown}u) * ${columns / 4}u + x + ${q * lanesAcross}u] = ${held.four(h * strip + i, q)};`,
      ),
    );
  const strips = down / strip;
  const place = columnsApart
    ? `(line * ${columns / 4}u + c % ${lanesAcross}u + c / ${4 * lanesAcross}u * ${lanesAcross}u) * 4u + c / ${lanesAcross}u % 4u`
    : `line * ${columns}u + c`;
  const take = [
    "workgroupBarrier();",
    `for (var t = lane; t < ${strip * lanesDown * columns}u; t += ${lanes}u) {`,
    `  let line = t / ${columns}u;`,
    `  let c = t % ${columns}u;`,
    `  let r = ${held.rowOf(`line % ${lanesDown}u`, `strip * ${strip}u + line / ${lanesDown}u`)};`,
    `  let place = ${place};`,
    "  let sum = tile[place / 4u][place % 4u];",
    ...indented(each),
    "}",
  ];
  if (strips === 1) return ["let strip = 0u;", ...put(0), ...take];
  return [
    `for (var strip = 0u; strip < ${strips}u; strip++) {`,
    "  switch strip {",
    ...upTo(strips).flatMap((h) => [
      h === strips - 1 ? "    default: {" : `    case ${h}u: {`,
      indent(put(h), 6),
      "    }",
    ]),
    "  }",
    indent(take),
    "  workgroupBarrier();",
    "}",
  ];
};
