import { OwnershipError, ShapeError } from "./errors.js";
import { expects } from "./expects.js";
import { showTensor } from "./manners.js";
import { typeOf } from "./print.js";
import { sizeOf } from "./shape.js";
import { deviceOf, isConcrete, read, readFor } from "./storage/stored.js";
import type { Tensor } from "./tensor.js";
import { namedLeavesOf, type Tree } from "./tree.js";

/** Arrays nested as deep as a tensor has axes: number, number[], number[][], …; of a rank not known, any of these. */
export type ArrayOf<Rank extends number> = number extends Rank
  ? NestedNumbers
  : Rank extends 0
    ? number
    : Rank extends 1
      ? number[]
      : Rank extends 2
        ? number[][]
        : Rank extends 3
          ? number[][][]
          : NestedNumbers;
/** Numbers, nested to any depth. */
export type NestedNumbers = number | NestedNumbers[];

/**
 * The number of a tensor that has one element, whatever its axes; of bools 0 or 1.
 * Errors: ShapeError for more elements or none, OwnershipError if it is not computed. [] or [1, …] → number.
 * @example await item(evaluate(mean(tensor([1, 2])), device)) // 1.5
 */
export const item = async (t: Tensor): Promise<number> => {
  expects("item", "tensor", t);
  if (sizeOf(t.shape) !== 1)
    throw new ShapeError(`item(${typeOf(t)}): it has ${sizeOf(t.shape)} elements, not one`, "toArray(x) gives all");
  return (await readFor("item", t))[0];
};

/**
 * The numbers of a tensor as arrays nested by its axes; of bools 0 and 1. With its rank, the type is known: `await toArray(x, 2)`
 * is a number[][]. Errors: ShapeError for another rank, OwnershipError if it is not computed.
 * @example await toArray(tensor([[1, 2], [3, 4]]), 2) // [[1, 2], [3, 4]]
 */
export const toArray = async <Rank extends number = number>(t: Tensor, rank?: Rank): Promise<ArrayOf<Rank>> => {
  expects("toArray", "tensor integer?", t, rank);
  if (rank !== undefined && t.shape.length !== rank)
    throw new ShapeError(`toArray(${typeOf(t)}, ${rank}): it has ${t.shape.length} axes`);
  const data = await readFor("toArray", t);
  const nested = (axis: number, at: number): NestedNumbers => {
    if (axis === t.shape.length) return data[at];
    const inner = sizeOf(t.shape.slice(axis + 1));
    return Array.from({ length: t.shape[axis] }, (_, i) => nested(axis + 1, at + i * inner));
  };
  return nested(0, 0) as ArrayOf<Rank>;
};

/**
 * Prints tensors, or trees of them by name, with their numbers wherever these lie. What is not computed is named as that.
 * Numbers of stored tensors are waited for: `await print(x)`.
 * @example await print({ w: tensor([1, 2]) })
 */
export const print = async (...trees: Tree[]): Promise<void> => {
  for (const tree of trees)
    for (const [path, t] of namedLeavesOf("print", tree)) {
      const numbers = deviceOf(t) !== undefined && isConcrete(t) ? await known(t) : undefined;
      console.log(`${path === "" ? "" : `${path}: `}${showTensor(t, numbers)}`);
    }
};

/** The numbers, unless the tensor has ended. */
const known = (t: Tensor) =>
  read(t).catch((error: unknown) => {
    if (error instanceof OwnershipError) return undefined;
    throw error;
  });
