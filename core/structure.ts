import type { DType } from "./dtype.js";
import { scalar } from "./ops/leaf.js";
import type { Shape } from "./shape.js";
import { isTensor, type Tensor } from "./tensor.js";
import type { Tree } from "./tree.js";

interface Leaf {
  readonly kind: "leaf";
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A tree's structure, laid out so that comparing a tree with it takes one walk, no sorting and no text. */
export type Structure =
  | Leaf
  | { readonly kind: "list"; readonly parts: readonly Structure[] }
  | { readonly kind: "record"; readonly keys: readonly string[]; readonly parts: readonly Structure[] };

/** Keys in sorted order, as trees are flattened. */
export const structureOf = (tree: Tree): Structure => {
  if (isTensor(tree)) return { kind: "leaf", shape: tree.shape, dtype: tree.dtype };
  if (Array.isArray(tree)) return { kind: "list", parts: tree.map(structureOf) };
  const record = tree as { readonly [name: string]: Tree };
  const keys = Object.keys(record).sort();
  return { kind: "record", keys, parts: keys.map((key) => structureOf(record[key])) };
};

/** The leaves of a value (numbers as f32 scalars), in order; undefined if its structure is another. */
export const gather = (value: unknown, structure: Structure): Tensor[] | undefined => {
  const out: Tensor[] = [];
  const fits = (x: unknown, like: Structure): boolean => {
    if (like.kind === "leaf") {
      const leaf = typeof x === "number" ? scalar(x) : x;
      if (!isTensor(leaf) || leaf.dtype !== like.dtype || leaf.shape.length !== like.shape.length) return false;
      for (let axis = 0; axis < like.shape.length; axis++) if (leaf.shape[axis] !== like.shape[axis]) return false;
      out.push(leaf);
      return true;
    }
    const { parts } = like;
    if (typeof x !== "object" || x === null || isTensor(x)) return false;
    if (like.kind === "list") {
      if (!Array.isArray(x) || x.length !== parts.length) return false;
      for (let i = 0; i < parts.length; i++) if (!fits(x[i], parts[i])) return false;
      return true;
    }
    const { keys } = like;
    if (Array.isArray(x) || Object.keys(x).length !== keys.length) return false;
    for (let i = 0; i < keys.length; i++) if (!fits((x as Record<string, unknown>)[keys[i]], parts[i])) return false;
    return true;
  };
  return fits(value, structure) ? out : undefined;
};

/** A tree of a structure, its leaves made in order. */
export const rebuild = (structure: Structure, leaf: (like: Leaf, i: number) => Tensor): Tree => {
  let next = 0;
  const make = (like: Structure): Tree => {
    if (like.kind === "leaf") return leaf(like, next++);
    if (like.kind === "list") return like.parts.map(make);
    const record: Record<string, Tree> = {};
    like.keys.forEach((key, i) => {
      record[key] = make(like.parts[i]);
    });
    return record;
  };
  return make(structure);
};
