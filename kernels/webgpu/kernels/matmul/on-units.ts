import { DeviceError } from "../../../../core/index.js";
import type { MatmulStep } from "../../../plan/steps.js";
import type { Kernel } from "../../wgsl/module.js";
import type { Lowering } from "../lowering.js";
import { cutKernels, type Method } from "./cut.js";
import { matrixKernel } from "./matrices.js";
import { matrixTiles } from "./matrix-tiles.js";
import { chosenOf, ON_UNITS, unitCut } from "./tiles.js";
import { unitsOf } from "./units.js";

const methodOf = (step: MatmulStep, lowering: Lowering): Method => {
  const { limits, layouts, rates } = lowering;
  const units = unitsOf(lowering);
  const tiles = units && matrixTiles(units, limits, layouts);
  if (units === undefined || tiles === undefined || tiles.length === 0)
    throw new DeviceError("webgpu: a product of f16 operands was planned where there are no matrix units");
  const cut = unitCut(step, tiles[0].depth);
  const { tile, apart } = chosenOf(step, cut, tiles, ON_UNITS, rates);
  const kernel: Method["kernel"] = (part, sums) => matrixKernel(part, units, tile, sums);
  return { cut, apart, unit: units.shape.k, addsInPlace: true, kernel };
};

/** Products of f16 operands, on matrix units. */
export const unitProducts = (step: MatmulStep, lowering: Lowering): Kernel[] =>
  cutKernels(step, methodOf(step, lowering), lowering);
