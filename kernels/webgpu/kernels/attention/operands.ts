import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import type { Builder } from "../../wgsl/module.js";
import type { Vectors } from "./block.js";
import { type Measures, measure, type Tile } from "./tile.js";

/** Sizes of an attention call; `share` query heads look at each of `groups` heads of keys and values. */
export const sizesOf = (q: View, k: View) => {
  const [batch, time, heads, depth] = q.shape;
  const [, slots, groups] = k.shape;
  return { batch, time, heads, depth, slots, groups, share: heads / groups };
};
export type Sizes = ReturnType<typeof sizesOf>;

/** A tensor that kernels read, and how it is stored. */
export interface Read {
  readonly view: View;
  readonly dtype: DType;
}

/** What every attention kernel begins with. */
export interface Frame {
  readonly measures: Measures;
  /** Groups of four numbers of a head vector, as text. */
  readonly quads: string;
  readonly workgroups: number;
  /**
   * Lines that define x and y (the invocation's place), b and g (a sequence and a head of its keys), `block` (the number of
   * the workgroup's rows, last ones first: they see most) and `slice` (the first group of four numbers of its results).
   */
  readonly lines: readonly string[];
  /** Vectors of queries, or of what is shaped like them, that `at` has the places of. */
  readonly ofQueries: (read: Read) => Vectors;
  /** Vectors of key slots from `first` on, zeros from `end` on. */
  readonly ofKeys: (read: Read, first: string, end: string) => Vectors;
  /** The number of key slots that item `item` sees. An item: one of the queries, over time and heads, that share b and g. */
  readonly visible: string;
  readonly items: string;
  /** Which head vector of q is that of `item`, and which of k that of slot `slot`. */
  readonly queryAt: (item: string) => string;
  readonly keyAt: (slot: string) => string;
  /** Declares a function `name(at, quad, value)` that writes four numbers of head vector `at`, or those of them that are in it. */
  readonly put: (name: string, view: View, scale?: string) => string;
}

/** The place of what is not. */
export const NONE = "0xffffffffu";

/** What a kernel binds: tensors that it reads head vectors of, the positions, and what else, never read by fours. */
export interface Bound {
  readonly vectors: readonly Read[];
  readonly position: View;
  readonly others: readonly View[];
}

/** `rowCount`: how many rows share b and g. */
export const frame = (
  k: Builder,
  tile: Tile,
  sizes: Sizes,
  rowCount: number,
  { vectors: read, position, others }: Bound,
): Frame => {
  const { batch, time, heads, depth, slots, groups, share } = sizes;
  const measures = measure(tile, Math.ceil(depth / 4));
  const blocks = Math.ceil(rowCount / measures.rows);
  const slices = Math.ceil(Math.ceil(depth / 4) / measures.width);
  const [D, T, S, G, H, each] = [depth, time, slots, groups, heads, share].map((n) => k.param(n));
  const [quads, items] = [k.param(Math.ceil(depth / 4)), k.param(time * share)];
  const [B, blocksText, slicesText] = [batch, blocks, slices].map((n) => k.param(n));
  const workgroups = batch * groups * slices * blocks;
  const isWhole = depth % 4 === 0;
  /** A buffer is read in fours by everyone or by no one. */
  const inFours = (buffer: number) =>
    isWhole &&
    [position, ...others].every((view) => view.buffer !== buffer) &&
    read.every(({ view }) => view.buffer !== buffer || view.offset % 4 === 0);
  const loadFour = ({ view, dtype }: Read, at: string): string[] => {
    if (inFours(view.buffer)) return [`value = ${k.buffer(view.buffer, dtype, "quads").load(`${at} + 4u * quad`)};`];
    const { load } = k.buffer(view.buffer, dtype, "read");
    return [
      `let first = ${at} + 4u * quad;`,
      ...[..."xyzw"].map((c, i) => {
        const set = `value.${c} = ${load(`first + ${i}u`)};`;
        return isWhole || i === 0 ? set : `if (4u * quad + ${i}u < ${D}) { ${set} }`;
      }),
    ];
  };
  const keyAt = (slot: string) => `(b * ${S} + ${slot}) * ${G} + g`;
  const vectors =
    (one: Read, isIn: (index: string) => string, at: (index: string) => string): Vectors =>
    (index, quad) => [
      `let quad = ${quad};`,
      `if (${isIn(index)} && quad < ${quads}) {`,
      ...loadFour(one, at(index)).map((line) => `  ${line}`),
      "}",
    ];
  return {
    ...{ measures, quads, workgroups, items },
    lines: [
      `if (group >= ${k.param(workgroups)}) { return; }`,
      `let x = lane % ${measures.across}u;`,
      `let y = lane / ${measures.across}u;`,
      `let g = group % ${G};`,
      `let slice = group / ${G} % ${slicesText} * ${measures.width}u;`,
      `let b = group / ${G} / ${slicesText} % ${B};`,
      `let block = ${blocksText} - 1u - group / ${G} / ${slicesText} / ${B};`,
    ],
    ofQueries: (read) => {
      const offset = k.param(read.view.offset);
      return vectors(
        read,
        (index) => `places[${index}] != ${NONE}`,
        (index) => `${offset} + places[${index}] * ${D}`,
      );
    },
    ofKeys: (read, first, end) => {
      const offset = k.param(read.view.offset);
      return vectors(
        read,
        (index) => `${first} + ${index} < ${end}`,
        (index) => `${offset} + (${keyAt(`${first} + ${index}`)}) * ${D}`,
      );
    },
    visible: `u32(clamp(${k.buffer(position.buffer, "i32", "read").load(`${k.param(position.offset)} + b * ${T} + item / ${each}`)} + 1, 0, i32(${S})))`,
    queryAt: (item) => `(b * ${T} + ${item} / ${each}) * ${H} + g * ${each} + ${item} % ${each}`,
    keyAt,
    put: (name, view, scale) => {
      const { store } = k.buffer(view.buffer, "f32", "write");
      const offset = k.param(view.offset);
      k.func(`fn ${name}(at: u32, quad: u32, value: vec4<f32>)`, [
        `if (quad >= ${quads}) { return; }`,
        `let first = ${offset} + at * ${D} + 4u * quad;`,
        ...[..."xyzw"].map((c, i) => {
          const set = store(`first + ${i}u`, scale === undefined ? `value.${c}` : `value.${c} * ${scale}`);
          return isWhole || i === 0 ? set : `if (4u * quad + ${i}u < ${D}) { ${set} }`;
        }),
      ]);
      return name;
    },
  };
};
