import type { CallStep } from "../../../plan/steps.js";
import type { Lowering } from "../lowering.js";
import { type Units, unitsOf } from "../matmul/units.js";
import { suits } from "./matrix-block.js";
import type { Sizes } from "./operands.js";
import { KEYS, measure, QUERIES, type Tile, UNIT_KEYS, UNIT_QUERIES } from "./tile.js";

/** How a call is worked on by kernels for GPUs. */
interface Tiles {
  readonly queries: Tile;
  readonly keys: Tile;
  /** Matrix units, where they were asked for and the tiles are made of their matrices. */
  readonly units: Units | undefined;
}

export const tilesOf = ({ attrs }: CallStep, { depth }: Sizes, lowering: Lowering): Tiles => {
  const units = attrs.operands === "f16" && lowering.wide ? unitsOf(lowering) : undefined;
  const fit = (tile: Tile) => units !== undefined && suits(measure(tile, Math.ceil(depth / 4)), units);
  if (fit(UNIT_QUERIES) && fit(UNIT_KEYS)) return { queries: UNIT_QUERIES, keys: UNIT_KEYS, units };
  return { queries: QUERIES, keys: KEYS, units: undefined };
};
