import { engineOf } from "../engine.js";
import { registerAttention, registerGradient } from "../kernels/attention/in-registers.js";
import { headScoresKernels } from "../kernels/head/scores.js";
import type { KernelSet } from "../kernels/lowering.js";
import { registerProducts } from "../kernels/matmul/in-registers.js";
import { sortedSums } from "../kernels/scatter-sort.js";
import { tuningOf } from "../tuning/tuning.js";

/** Kernels for GPUs. */
const kernelSet: KernelSet = {
  matmul: registerProducts,
  rowSums: sortedSums,
  fused: { attention: registerAttention, "attention.vjp": registerGradient, headScores: headScoresKernels },
};

export const gpu = engineOf(kernelSet, tuningOf);
