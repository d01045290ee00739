import { engineOf } from "../engine.js";
import { unitAttention, unitGradient } from "../kernels/attention/on-units.js";
import { unitTiles } from "../kernels/attention/tiles.js";
import { onUnits } from "../kernels/head/on-units.js";
import { headScoresKernels } from "../kernels/head/scores.js";
import type { KernelSet } from "../kernels/lowering.js";
import { registerProducts } from "../kernels/matmul/in-registers.js";
import { unitProducts } from "../kernels/matmul/on-units.js";
import { unitsOf } from "../kernels/matmul/units.js";
import { sortedSums } from "../kernels/scatter-sort.js";
import { tuningOf } from "../tuning/tuning.js";

/** Kernels for GPUs with matrix units, which take operands of f16. */
const kernelSet: KernelSet = {
  matmul: (step, lowering) => (step.operands === "f16" ? unitProducts : registerProducts)(step, lowering),
  rowSums: sortedSums,
  fused: {
    attention: unitAttention,
    "attention.vjp": unitGradient,
    headScores: (step, lowering) =>
      headScoresKernels(step, lowering, step.attrs.operands === "f16" ? onUnits : undefined),
  },
  roundsOperands: (on) => {
    const found = unitsOf(on);
    return ({ op, inputs }) => {
      if (found === undefined || ["matmul", "headScores"].includes(op.name)) return found !== undefined;
      const [{ shape }] = inputs; // q, or its cotangent: heads last
      return unitTiles(found, shape[shape.length - 1], on.limits) !== undefined;
    };
  },
};

export const units = engineOf(kernelSet, tuningOf);

export { unitsOf };
