import { ShapeError } from "./errors.js";
import { typeOf } from "./print.js";
import { isTensor, type Tensor } from "./tensor.js";

/**
 * Tensors in nested arrays and plain records, whose types may be interfaces too: `object` here, since TypeScript asks more of
 * these, and checked where a tree is walked. Records are visited in sorted key order, so that equal trees flatten alike.
 */
export type Tree = Tensor | readonly [] | readonly Tree[] | object;

/** A record of a tree: a plain object. Keys of others, a Map or the promise of an async function, do not tell what they hold. */
export const isRecord = (tree: unknown): tree is Readonly<Record<string, Tree>> => {
  if (typeof tree !== "object" || tree === null) return false;
  const kind = Object.getPrototypeOf(tree);
  return kind === null || Object.getPrototypeOf(kind) === null;
};

const kindOf = (tree: unknown): string =>
  typeof tree === "object" && tree !== null ? tree.constructor.name : tree === null ? "null" : typeof tree;

const noTree = (call: string, tree: unknown, path: string): ShapeError =>
  new ShapeError(
    `${call}: ${kindOf(tree)}${path === "" ? "" : ` at "${path}"`} is neither tensor, array nor record`,
    typeof tree === "number" ? `write scalar(${tree})` : undefined,
  );

const pathTo = (path: string, key: string | number): string => (path === "" ? `${key}` : `${path}.${key}`);

/** Visits leaves with their path ("layers.0.weight"). */
const visit = (call: string, tree: Tree, path: string, leaf: (t: Tensor, path: string) => void): void => {
  if (isTensor(tree)) leaf(tree, path);
  else if (Array.isArray(tree)) for (const [i, part] of tree.entries()) visit(call, part, pathTo(path, i), leaf);
  else if (isRecord(tree)) for (const key of Object.keys(tree).sort()) visit(call, tree[key], pathTo(path, key), leaf);
  else throw noTree(call, tree, path);
};

/** `namedLeaves`, told as another call's. */
export const namedLeavesOf = (call: string, tree: Tree): [path: string, leaf: Tensor][] => {
  const out: [string, Tensor][] = [];
  visit(call, tree, "", (t, path) => {
    out.push([path, t]);
  });
  return out;
};

/** `leaves`, told as another call's. */
export const leavesOf = (call: string, tree: Tree): Tensor[] => namedLeavesOf(call, tree).map(([, t]) => t);

/**
 * The tensors of a tree, in order. Tensors of any shape [...S].
 * @example leaves({ b: tensor([1]), a: [tensor([2])] }) // [2] and [1]
 */
export const leaves = (tree: Tree): Tensor[] => leavesOf("leaves", tree);

/** The tensors of a tree with their paths. Tensors of any shape [...S]. */
export const namedLeaves = (tree: Tree): [path: string, leaf: Tensor][] => namedLeavesOf("namedLeaves", tree);

const rebuild = (call: string, tree: Tree, path: string, leaf: (t: Tensor, path: string) => unknown): unknown => {
  if (isTensor(tree)) return leaf(tree, path);
  if (Array.isArray(tree)) return tree.map((part: Tree, i) => rebuild(call, part, pathTo(path, i), leaf));
  if (!isRecord(tree)) throw noTree(call, tree, path);
  const keys = Object.keys(tree).sort();
  return Object.fromEntries(keys.map((key) => [key, rebuild(call, tree[key], pathTo(path, key), leaf)]));
};

/** `treeMap`, told as another call's. */
export const treeMapOf = <T extends Tree>(call: string, f: (leaf: Tensor, path: string) => Tensor, tree: T): T => {
  if (typeof f !== "function") throw new ShapeError(`${call}: ${kindOf(f)} is no function of a tensor`);
  return rebuild(call, tree, "", f) as T;
};

/**
 * The same structure with each tensor replaced by f(tensor, path). Tensors of any shape [...S].
 * @example treeMap((t) => mul(t, 2), { w: tensor([1]), b: [tensor([2])] })
 */
export const treeMap = <T extends Tree>(f: (leaf: Tensor, path: string) => Tensor, tree: T): T =>
  treeMapOf("treeMap", f, tree);

/** The structure of a tree with other leaves. Errors: ShapeError if the counts differ. */
export const unflatten = <T extends Tree>(like: T, parts: readonly Tensor[]): T => {
  if (!Array.isArray(parts) || !parts.every(isTensor)) throw new ShapeError("unflatten: parts are no array of tensors");
  let next = 0;
  const nextPart = () => {
    if (next >= parts.length) throw new ShapeError(`unflatten: the tree has more than ${parts.length} leaves`);
    return parts[next++];
  };
  const out = treeMapOf("unflatten", nextPart, like);
  if (next !== parts.length) throw new ShapeError(`unflatten: ${parts.length} tensors for ${next} leaves`);
  return out;
};

/** Structure as text: equal exactly for trees of equal structure, dtypes and shapes. */
export const treeKey = (tree: Tree): string => JSON.stringify(rebuild("treeKey", tree, "", typeOf));

/** As many tensors as there are trees. */
type Leaves<R extends readonly Tree[]> = [first: Tensor, ...rest: { -readonly [K in keyof R]: Tensor }];

/**
 * f over the matching leaves of several trees of one structure. Errors: ShapeError if the structures differ.
 * @example treeZip(([p, g]) => sub(p, g), { w: tensor([3]) }, { w: tensor([1]) }).w // [2]
 */
export const treeZip = <T extends Tree, R extends readonly Tree[]>(
  f: (leaves: Leaves<R>, path: string) => Tensor,
  first: T,
  ...rest: R
): T => {
  if (typeof f !== "function") throw new ShapeError(`treeZip: ${kindOf(f)} is no function of tensors`);
  const paths = namedLeavesOf("treeZip", first);
  const columns = rest.map((tree) => {
    const named = namedLeavesOf("treeZip", tree);
    const at = named.findIndex(([path], i) => path !== paths[i]?.[0]);
    if (named.length !== paths.length || at >= 0)
      throw new ShapeError(`treeZip: trees differ in structure${at >= 0 ? ` at "${named[at][0]}"` : ""}`);
    return named;
  });
  return unflatten(
    first,
    paths.map(([path, leaf], i) => f([leaf, ...columns.map((column) => column[i][1])] as Leaves<R>, path)),
  );
};
