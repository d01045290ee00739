import type { CallStep, View } from "../../../plan/steps.js";
import type { Lowering } from "../lowering.js";
import { type Units, unitsOf } from "../matmul/units.js";
import type { Engine } from "./engine.js";
import { liftsOf } from "./lifts.js";
import { bytesOf, matrixBlock, suits } from "./matrix-block.js";
import { measure, type Tile, UNIT_TILES } from "./tile.js";

/** How a call is worked on by matrix units. */
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

const engineOf = (units: Units): Engine => ({
  block: (k, measures, quads) => matrixBlock(k, measures, quads, units),
  lifts: liftsOf,
  subgroup: units.varies ? units.lanes : "any",
});

/** Tiles, and the matrix units that work on them. */
interface Engaged extends Tiles {
  readonly engine: Engine;
}

/** The tiles of a call of f16 operands, with heads as of `q`, if it is one for matrix units. */
export const tilesOf = ({ attrs }: CallStep, { shape }: View, lowering: Lowering): Engaged | undefined => {
  const units = attrs.operands === "f16" ? unitsOf(lowering) : undefined;
  const tiles = units && unitTiles(units, shape[shape.length - 1], lowering.limits);
  return units && tiles && { ...tiles, engine: engineOf(units) };
};
