import { attentionOver } from "../attention.js";
import { attentionGradientOver } from "../attention-gradient.js";
import type { Kernels } from "../lowering.js";
import { forwardKernel } from "./forward.js";
import { keyKernel } from "./gradient-keys.js";
import { queryKernel } from "./gradient-queries.js";
import { sizesOf } from "./operands.js";
import { apartWords, joinKernel, spansOf } from "./spans.js";
import { KEYS, QUERIES, ROWS } from "./tile.js";

/** Workgroups that keep any GPU busy: with fewer, spans of slots have their own. */
const ENOUGH = 128;

/** Attention on GPUs, whose sums are in registers. */
export const registerAttention: Kernels = (step, lowering) => {
  const [q, keys] = step.inputs;
  const sizes = sizesOf(q, keys);
  const rowBlocks = Math.ceil((sizes.time * sizes.share) / (ROWS * QUERIES.down));
  const isApart = spansOf(sizes) > 1 && sizes.batch * sizes.groups * rowBlocks < ENOUGH;
  if (!isApart) return attentionOver(step, lowering, (part) => [forwardKernel(part, QUERIES)]);
  return attentionOver(
    step,
    lowering,
    (part, [sums, notes]) => [
      forwardKernel(part, QUERIES, { sums, notes }),
      joinKernel({ sums, notes }, sizesOf(part.inputs[0], part.inputs[1]), part.output),
    ],
    apartWords(sizes),
  );
};

export const registerGradient: Kernels = (step, lowering) =>
  attentionGradientOver(step, lowering, {
    ...{ block: ROWS * QUERIES.down, units: undefined },
    queries: (part) => queryKernel(part, QUERIES),
    keys: (part) => keyKernel(part, KEYS),
  });
