import { DeviceError } from "../../../../core/index.js";
import type { Lowering } from "../lowering.js";
import { matrixKernel } from "../matmul/matrices.js";
import { matrixTiles } from "../matmul/matrix-tiles.js";
import { unitsOf } from "../matmul/units.js";
import { takeFromMatrices } from "./matrices.js";
import type { Method } from "./scores.js";

/** Of all rows by one tile, since a strip is as wide as that. */
export const onUnits = (lowering: Lowering): Method => {
  const units = unitsOf(lowering);
  const [tile] = units === undefined ? [] : matrixTiles(units, lowering.limits, lowering.layouts);
  if (units === undefined || tile === undefined)
    throw new DeviceError("webgpu: a head of f16 operands was planned where there are no matrix units");
  return {
    width: tile.columns,
    kernel: (product, noting) => {
      const length = product.a.shape[1];
      const part = { step: product, continues: false };
      return matrixKernel(part, units, tile, { parts: 1, length, together: length }, takeFromMatrices(noting));
    },
  };
};
