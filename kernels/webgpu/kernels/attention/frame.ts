import type { Builder } from "../../wgsl/module.js";
import type { Vectors } from "./block.js";
import { NONE } from "./lines.js";
import { type Bound, type Fours, fours, type Places, places, type Read, type Sizes } from "./operands.js";
import { type Measures, measure, type Tile } from "./tile.js";

/** What every attention kernel for GPUs begins with. */
export interface Frame {
  readonly measures: Measures;
  readonly at: Places;
  readonly heads: Fours;
  readonly workgroups: number;
  /**
   * Lines that define x and y (the invocation's place), b and g (a sequence and a head of its keys), `block` (the number of
   * the workgroup's rows, last ones first: they see most) and `slice` (the first group of four numbers of its results).
   */
  readonly lines: readonly string[];
  /** Vectors of queries, or of what is shaped like them, that `places` names. */
  readonly ofQueries: (read: Read) => Vectors;
  /** Vectors of key slots from `first` on, zeros from `end` on. */
  readonly ofKeys: (read: Read, first: string, end: string) => Vectors;
  /** How many items share b and g. */
  readonly items: string;
}

/** `rowCount`: how many rows share b and g. `passes`: each workgroup's work is that of so many, `turn` says which one it is. */
export const frame = (k: Builder, tile: Tile, sizes: Sizes, rowCount: number, bound: Bound, passes = 1): Frame => {
  const { batch, time, depth, groups, share } = sizes;
  const measures = measure(tile, Math.ceil(depth / 4));
  const [blocks, slices] = [Math.ceil(rowCount / measures.rows), Math.ceil(Math.ceil(depth / 4) / measures.width)];
  const [G, B, blocksText, slicesText] = [groups, batch, blocks, slices].map((n) => k.param(n));
  const each = batch * groups * slices * blocks;
  const workgroups = each * passes;
  const at = places(k, sizes, bound.bounds);
  const heads = fours(k, depth, bound);
  const vectors =
    (read: Read, isIn: (index: string) => string, place: (index: string) => string): Vectors =>
    (index, quad) =>
      `if (${isIn(index)} && ${quad} < ${heads.quads}) { value = ${heads.load(read)(place(index), quad)}; }`;
  return {
    ...{ measures, at, heads, workgroups, items: k.param(time * share) },
    lines: [
      `if (group >= ${k.param(workgroups)}) { return; }`,
      `let x = lane % ${measures.across}u;`,
      `let y = lane / ${measures.across}u;`,
      ...(passes === 1
        ? ["let work = group;"]
        : [`let work = group % ${k.param(each)};`, `let turn = group / ${k.param(each)};`]),
      `let g = work % ${G};`,
      `let slice = work / ${G} % ${slicesText} * ${measures.width}u;`,
      `let b = work / ${G} / ${slicesText} % ${B};`,
      `let block = ${blocksText} - 1u - work / ${G} / ${slicesText} / ${B};`,
    ],
    ofQueries: (read) =>
      vectors(
        read,
        (index) => `places[${index}] != ${NONE}`,
        (index) => `places[${index}]`,
      ),
    ofKeys: (read, first, end) =>
      vectors(
        read,
        (index) => `${first} + ${index} < ${end}`,
        (index) => at.key(`${first} + ${index}`),
      ),
  };
};
