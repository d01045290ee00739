import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import type { Kernel } from "../wgsl/module.js";
import { type Rowed, rowParts } from "../windows/rows.js";
import { forwardKernel } from "./attention/forward.js";
import { forwardLanesKernel } from "./attention/forward-lanes.js";
import type { Scoring } from "./attention/scores.js";
import { QUERIES } from "./attention/tile.js";
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
export const attentionKernels = (step: CallStep, { windows, wide }: Lowering): Kernel[] => {
  const { inputs, output, dtypes, attrs } = step;
  if (sizeOf(output.shape) === 0) return [];
  const over = [...inputs.map((view, i) => ofSequence(view, dtypes[i])), ofSequence(output, "f32", true)];
  return rowParts("attention", output.shape[0], over, windows).map(({ views }) => {
    const parts = [...inputs, output].map((view, i) => ofSequences(views[i], view.shape));
    const part = {
      inputs: parts.slice(0, -1),
      dtypes,
      scoring: attrs as unknown as Scoring,
      output: parts[parts.length - 1],
    };
    return wide ? forwardKernel(part, QUERIES) : forwardLanesKernel(part);
  });
};
