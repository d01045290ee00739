import type { CallStep } from "../../../plan/steps.js";
import type { Lowering } from "../lowering.js";
import { type Units, unitsOf } from "../matmul/units.js";
import { bytesOf, suits } from "./matrix-block.js";
import type { Sizes } from "./operands.js";
import { KEYS, measure, QUERIES, type Tile, UNIT_TILES } from "./tile.js";

/** How a call is worked on by kernels for GPUs. */
interface Tiles {
  readonly queries: Tile;
  readonly keys: Tile;
}

/** Tiles for heads of so many numbers on matrix units: the first that are made of their matrices and fit workgroup memory. */
export const unitTiles = (units: Units, headSize: number, limits: Lowering["limits"]): Tiles | undefined => {
  const fits = (tile: Tile): boolean => {
    const measures = measure(tile, Math.ceil(headSize / 4));
    return suits(measures, units) && bytesOf(measures, units) <= limits.maxComputeWorkgroupStorageSize;
  };
  return UNIT_TILES.find(({ queries, keys }) => fits(queries) && fits(keys));
};

/** The tiles of a call, and the matrix units that they are for. */
export const tilesOf = (
  { attrs }: CallStep,
  { depth }: Sizes,
  lowering: Lowering,
): Tiles & { readonly units: Units | undefined } => {
  const units = attrs.operands === "f16" && lowering.wide ? unitsOf(lowering) : undefined;
  const tiles = units && unitTiles(units, depth, lowering.limits);
  return tiles === undefined ? { queries: QUERIES, keys: KEYS, units: undefined } : { ...tiles, units };
};
