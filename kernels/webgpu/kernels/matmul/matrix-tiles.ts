import type { MatrixShape } from "../../adapter/features.js";
import type { Limits } from "../../adapter/limits.js";
import { LAYOUTS, type Layout } from "./layouts.js";
import { sharesOf } from "./loads.js";
import type { Sized } from "./rates.js";

/** A workgroup's share of a product on matrix units. */
export interface MatrixTile extends Sized, Layout {
  /** Inner elements that workgroup memory holds at a time. */
  readonly depth: number;
}

/** 32, or a matrix if that is longer. */
const depthOf = ({ k }: MatrixShape): number => Math.max(32, k);

/** Fours of padding a line of workgroup memory, so that neighbouring lines lie in other banks. */
export const PAD = 2;

/** Workgroup memory of a tile, in bytes: both operands as f16, whichever way they lie, and a matrix of f32 for each subgroup. */
const bytesOf = ({ rows, columns, depth, down, across }: MatrixTile, { m, n }: MatrixShape): number => {
  const fours = (side: number) => Math.max(side * (depth / 4 + PAD), depth * (side / 4 + PAD));
  return 8 * (fours(rows) + fours(columns)) + 4 * down * across * m * n;
};

/** The tiles that matrices of a shape can make up: blocks are shared evenly among the invocations, and fit workgroup memory. */
export const matrixTiles = (
  { shape, lanes }: { readonly shape: MatrixShape; readonly lanes: number },
  { maxComputeWorkgroupStorageSize: most }: Pick<Limits, "maxComputeWorkgroupStorageSize">,
  layouts: readonly Layout[] = LAYOUTS,
): MatrixTile[] =>
  layouts.flatMap((layout) => {
    const [rows, columns] = [layout.down * layout.tall * shape.m, layout.across * layout.wide * shape.n];
    const [depth, all] = [depthOf(shape), lanes * layout.down * layout.across];
    const tile: MatrixTile = { ...layout, rows, columns, depth };
    const isEven = [rows, columns].every(
      (side) =>
        Number.isInteger(sharesOf({ rows: side, depth, lanes: all })) &&
        [side, depth].every((length) => Number.isInteger(all / (length / 4))),
    );
    return isEven && bytesOf(tile, shape) <= most ? [tile] : [];
  });
