import { attentionOver } from "../attention.js";
import { attentionGradientOver } from "../attention-gradient.js";
import type { Kernels } from "../lowering.js";
import { forwardMatrixKernel } from "./forward-matrices.js";
import { keyKernel } from "./gradient-keys.js";
import { queryKernel } from "./gradient-queries.js";
import { registerAttention, registerGradient } from "./in-registers.js";
import { ROWS } from "./tile.js";
import { tilesOf } from "./tiles.js";

/** Attention on matrix units, where its operands are f16 and tiles can be made of its heads. */
export const unitAttention: Kernels = (step, lowering) => {
  const tiles = tilesOf(step, step.inputs[0], lowering);
  if (tiles === undefined) return registerAttention(step, lowering);
  return attentionOver(step, lowering, (part) => [forwardMatrixKernel(part, tiles.queries, tiles.engine)]);
};

export const unitGradient: Kernels = (step, lowering) => {
  const tiles = tilesOf(step, step.inputs[1], lowering);
  if (tiles === undefined) return registerGradient(step, lowering);
  const { queries, keys, engine } = tiles;
  return attentionGradientOver(step, lowering, {
    ...{ block: ROWS * queries.down, units: engine },
    queries: (part) => queryKernel(part, queries),
    keys: (part) => keyKernel(part, keys),
  });
};
