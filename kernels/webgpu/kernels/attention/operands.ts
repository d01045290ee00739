import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import type { Builder } from "../../wgsl/module.js";

/** Sizes of an attention call; `share` query heads look at each of `groups` heads of keys and values. */
export const sizesOf = (q: View, k: View) => {
  const [batch, time, heads, depth] = q.shape;
  const [, slots, groups] = k.shape;
  return { batch, time, heads, depth, slots, groups, share: heads / groups };
};
export type Sizes = ReturnType<typeof sizesOf>;

/** A tensor of head vectors that kernels read, what they call it, and how it is stored. */
export interface Read {
  readonly name: string;
  readonly view: View;
  readonly dtype: DType;
}

/** What a kernel binds: tensors that it reads head vectors of, the queries' bounds, and what else, never read by fours. */
export interface Bound {
  readonly vectors: readonly Read[];
  /** position and, if there is one, from. */
  readonly bounds: readonly View[];
  readonly others: readonly View[];
}

/** Which head vector is whose, as text, where `b` and `g` (a sequence and a head of its keys) are defined. */
export interface Places {
  /** Head vector of q of an item: one of the queries, over time and heads, that share b and g. */
  readonly query: (item: string) => string;
  /** Head vector of k of a slot. */
  readonly key: (slot: string) => string;
  /** The end of the key slots that an item sees. */
  readonly visible: (item: string) => string;
  /** The first of them; absent where that is slot 0 for all. */
  readonly from: ((item: string) => string) | undefined;
}

export const places = (k: Builder, { time, heads, slots, groups, share }: Sizes, bounds: readonly View[]): Places => {
  const [T, S, G, H, each] = [time, slots, groups, heads, share].map((n) => k.param(n));
  const [position, from] = bounds.map((view) => {
    const offset = k.param(view.offset);
    const { load } = k.buffer(view.buffer, "i32", "read");
    return (item: string) => load(`${offset} + b * ${T} + ${item} / ${each}`);
  });
  return {
    query: (item) => `(b * ${T} + ${item} / ${each}) * ${H} + g * ${each} + ${item} % ${each}`,
    key: (slot) => `(b * ${S} + ${slot}) * ${G} + g`,
    // Compared before one is added: the largest position has no successor.
    visible: (item) => `u32(clamp(${position(item)}, -1, i32(${S}) - 1) + 1)`,
    from: from && ((item) => `u32(max(${from(item)}, 0))`),
  };
};

/** Access to head vectors in groups of four numbers, zeros where the last is not whole. */
export interface Fours {
  /** The number of groups. */
  readonly quads: string;
  /** Text of group `quad` of head vector `at`. */
  readonly load: (read: Read) => (at: string, quad: string) => string;
  /** Declares `load_<name>` and `put_<name>` of a result; nothing is written past its vectors' end. */
  readonly result: (name: string, view: View) => { readonly load: string; readonly put: string };
}

export const fours = (k: Builder, depth: number, { vectors, bounds, others }: Bound): Fours => {
  const [D, quads] = [k.param(depth), k.param(Math.ceil(depth / 4))];
  const isWhole = depth % 4 === 0;
  /** A buffer is read in fours by everyone or by no one. */
  const inFours = (buffer: number) =>
    isWhole &&
    [...bounds, ...others].every((view) => view.buffer !== buffer) &&
    vectors.every(({ view }) => view.buffer !== buffer || view.offset % 4 === 0);
  const isIn = (i: number) => `4u * quad + ${i}u < ${D}`;
  /** Number i of four: chosen, since a branch costs compilers more. */
  const number = (load: (address: string) => string, i: number): string =>
    isWhole || i === 0
      ? load(`first + ${i}u`)
      : `select(0.0, ${load(`select(first, first + ${i}u, ${isIn(i)})`)}, ${isIn(i)})`;
  const loader = (name: string, offset: string, load: (address: string) => string, whole = false): string => {
    k.func(`fn load_${name}(at: u32, quad: u32) -> vec4<f32>`, [
      `let first = ${offset} + at * ${D} + 4u * quad;`,
      ...(whole
        ? [`return ${load("first")};`]
        : [`return vec4<f32>(${[0, 1, 2, 3].map((i) => number(load, i)).join(", ")});`]),
    ]);
    return `load_${name}`;
  };
  const loaders = vectors.map(({ name, view, dtype }) => {
    const whole = inFours(view.buffer);
    return loader(
      name,
      k.param(view.offset),
      (whole ? k.quads(view.buffer, dtype) : k.buffer(view.buffer, dtype, "read")).load,
      whole,
    );
  });
  return {
    quads,
    load: (read) => (at, quad) => `${loaders[vectors.indexOf(read)]}(${at}, ${quad})`,
    result: (name, view) => {
      const { load, store } = k.buffer(view.buffer, "f32", "write");
      const offset = k.param(view.offset);
      k.func(`fn put_${name}(at: u32, quad: u32, value: vec4<f32>)`, [
        `let first = ${offset} + at * ${D} + 4u * quad;`,
        ...[..."xyzw"].map((c, i) => {
          const line = store(`first + ${i}u`, `value.${c}`);
          return isWhole || i === 0 ? line : `if (${isIn(i)}) { ${line} }`;
        }),
      ]);
      return { load: loader(name, offset, load), put: `put_${name}` };
    },
  };
};
