import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { type Rowed, rowParts } from "../windows/rows.js";
import type { ForwardPart } from "./attention/forward.js";
import type { Scoring } from "./attention/scores.js";
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

/**
 * softmax(scale q kᵀ) v, by sequences: no score is ever stored. `kernelsOf` writes the kernels of some of them, over scratch memory
 * between them, so many words a sequence.
 */
export const attentionOver = (
  { inputs, output, dtypes, attrs }: CallStep,
  lowering: Lowering,
  kernelsOf: (part: ForwardPart, between: readonly View[]) => Kernel[],
  words: readonly number[] = [],
): Kernel[] => {
  if (sizeOf(output.shape) === 0) return [];
  const batch = output.shape[0];
  const between = words.map((count, i): View => {
    const offset = lowering.scratch(i, batch * count);
    return { buffer: scratch(i), shape: [batch, count], strides: [count, 1], offset };
  });
  const written = [output, ...between];
  const over = [
    ...inputs.map((view, i) => ofSequence(view, dtypes[i])),
    ...written.map((view) => ofSequence(view, "f32", true)),
  ];
  return rowParts("attention", batch, over, lowering.windows).flatMap(({ views }) => {
    const parts = [...inputs, ...written].map((view, i) => ofSequences(views[i], view.shape));
    const [partOutput, ...partsBetween] = parts.slice(inputs.length);
    const part = {
      ...{ inputs: parts.slice(0, inputs.length), dtypes, output: partOutput },
      scoring: attrs as unknown as Scoring,
    };
    return kernelsOf(part, partsBetween);
  });
};
