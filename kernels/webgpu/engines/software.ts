import { engineOf } from "../engine.js";
import { productAttention, productGradient } from "../kernels/attention/in-products.js";
import { laneAttention, laneGradient } from "../kernels/attention/on-lanes.js";
import type { KernelSet } from "../kernels/lowering.js";
import { registerKernel } from "../kernels/matmul/register.js";
import { listedSums } from "../kernels/scatter-list.js";
import { matmulParts } from "../windows/matmul.js";

/** Kernels for adapters that run on the CPU. */
const kernelSet: KernelSet = {
  matmul: (step, lowering) => matmulParts(step, lowering.windows).map((part) => registerKernel(part, lowering)),
  rowSums: listedSums,
  fused: { attention: productAttention(laneAttention), "attention.vjp": productGradient(laneGradient) },
};

export const software = engineOf(kernelSet);
