import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import type { Kernel } from "../wgsl/module.js";
import { type Rowed, rowParts } from "../windows/rows.js";
import { forwardKernel } from "./attention/forward.js";
import { forwardLanesKernel } from "./attention/forward-lanes.js";
import { forwardMatrixKernel } from "./attention/forward-matrices.js";
import { sizesOf } from "./attention/operands.js";
import type { Scoring } from "./attention/scores.js";
import { tilesOf } from "./attention/tiles.js";
import type { Lowering } from "./lowering.js";

/** A view cut by its first axis, sequences that do not see one another; and the shape that some of them have. */
export const ofSequence = (view: View, dtype: DType, isWritten = false): Rowed => ({
  ...{ view, along: sizeOf(view.shape.slice(1)) },
  ...{ dtype, isWritten },
});
export const ofSequences = (part: View, shape: readonly number[]): View => ({
  ...part,
  shape: [part.shape[0], ...shape.slice(1)],
});

/** softmax(scale q kᵀ) v, by sequences: no score is ever stored. */
export const attentionKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const { inputs, output, dtypes, attrs } = step;
  if (sizeOf(output.shape) === 0) return [];
  const { queries, units } = tilesOf(step, sizesOf(inputs[0], inputs[1]), lowering);
  const over = [...inputs.map((view, i) => ofSequence(view, dtypes[i])), ofSequence(output, "f32", true)];
  return rowParts("attention", output.shape[0], over, lowering.windows).map(({ views }) => {
    const parts = [...inputs, output].map((view, i) => ofSequences(views[i], view.shape));
    const part = {
      inputs: parts.slice(0, -1),
      dtypes,
      scoring: attrs as unknown as Scoring,
      output: parts[parts.length - 1],
    };
    if (!lowering.wide) return forwardLanesKernel(part);
    return units === undefined ? forwardKernel(part, queries) : forwardMatrixKernel(part, queries, units);
  });
};
