import type { Quads } from "../../wgsl/module.js";
import { upTo } from "../../wgsl/walk.js";
import type { Addressed } from "./text.js";

/** Inner elements that are multiplied before sums are kept again; divides the lanes. */
export const DEPTH = 4;

/** Text of an inner index that is not past the end; and of a value, or of a zero where its index is. */
export type At = (s: string) => string;
export type Inside = (value: string, zero: string, s: string) => string;

/** The first operand as `rows` rows from `row` on (and never past `m`), by the inner index `s`. */
interface Handing {
  readonly a: Addressed;
  readonly rows: number;
  /** Invocations of the workgroup, which is one subgroup. */
  readonly lanes: number;
  readonly m: string;
  /** Where it is to be read so. */
  readonly fours: Quads | undefined;
  readonly at: At;
  readonly inside: Inside;
}

/** Elements that all lanes need, each loaded by one of them: lines before the loop and in it, and the text of one. */
interface Handed {
  readonly before: readonly string[];
  readonly loads: readonly string[];
  readonly element: (row: number, inner: number) => string;
}

export const handedRound = (it: Handing): Handed => (it.fours === undefined ? singly(it) : inFours(it, it.fours));

/** A load of all lanes has neighbours in memory: DEPTH elements of a few rows, or as many rows of one. */
const singly = ({ a, rows, lanes, m, at, inside }: Handing): Handed => {
  const [high, deep] = a.along ? [lanes / DEPTH, DEPTH] : [lanes, 1];
  const [laneRow, laneInner] = a.along ? [`lane / ${DEPTH}u`, `lane % ${DEPTH}u`] : ["lane", "0u"];
  const some = upTo(Math.ceil(rows / high)).flatMap((i) => upTo(DEPTH / deep).map((u) => ({ i, u })));
  return {
    before: upTo(Math.ceil(rows / high)).map(
      (i) => `let m${i} = ${a.outer(`min(row + ${i * high}u + ${laneRow}, ${m} - 1u)`)};`,
    ),
    loads: some.map(({ i, u }) => {
      const along = `s + ${u}u + ${laneInner}`;
      return `  let some${i}_${u} = ${inside(a.load(`m${i} + ${a.unit(`(${at(along)})`)}`), "0.0", along)};`;
    }),
    element: (row, u) => {
      const from = `some${Math.floor(row / high)}_${Math.floor(u / deep)}`;
      return `subgroupBroadcast(${from}, ${(row % high) * deep + (u % deep)}u)`;
    },
  };
};

/** Four lanes: four elements of a row each, or of four rows; `rows` are whole fours. */
const inFours = ({ a, rows, m, at, inside }: Handing, fours: Quads): Handed => ({
  before: upTo(rows / 4).map((i) => {
    const row = a.along ? `min(row + ${4 * i}u + lane, ${m} - 1u)` : `min(row + ${4 * i}u, ${m} - 4u)`;
    return `let m${i} = ${a.outer(row)};`;
  }),
  loads: upTo(rows / 4).map((i) => {
    const along = a.along ? "s" : "s + lane";
    return `  let some${i} = ${inside(fours.load(`m${i} + ${a.unit(`(${at(along)})`)}`), "vec4<f32>()", along)};`;
  }),
  element: (row, u) => {
    const [part, lane] = a.along ? [u, row & 3] : [row & 3, u];
    return `subgroupBroadcast(some${row >> 2}.${"xyzw"[part]}, ${lane}u)`;
  },
});
