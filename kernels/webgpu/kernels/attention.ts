import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { type Rowed, rowParts } from "../windows/rows.js";
import { forwardKernel } from "./attention/forward.js";
import { forwardLanesKernel } from "./attention/forward-lanes.js";
import { forwardMatrixKernel } from "./attention/forward-matrices.js";
import { sizesOf } from "./attention/operands.js";
import type { Scoring } from "./attention/scores.js";
import { apartWords, joinKernel, spansOf } from "./attention/spans.js";
import { ROWS } from "./attention/tile.js";
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

/** Workgroups that keep any GPU busy: with fewer, spans of slots have their own. */
const ENOUGH = 128;

/** softmax(scale q kᵀ) v, by sequences: no score is ever stored. */
export const attentionKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const { inputs, output, dtypes, attrs } = step;
  if (sizeOf(output.shape) === 0) return [];
  const sizes = sizesOf(inputs[0], inputs[1]);
  const { queries, units } = tilesOf(step, sizes, lowering);
  const rowBlocks = Math.ceil((sizes.time * sizes.share) / (ROWS * queries.down));
  const isApart =
    lowering.wide && units === undefined && spansOf(sizes) > 1 && sizes.batch * sizes.groups * rowBlocks < ENOUGH;
  const between = (isApart ? apartWords(sizes) : []).map((words, i): View => {
    const offset = lowering.scratch(i, sizes.batch * words);
    return { buffer: scratch(i), shape: [sizes.batch, words], strides: [words, 1], offset };
  });
  const written = [output, ...between];
  const over = [
    ...inputs.map((view, i) => ofSequence(view, dtypes[i])),
    ...written.map((view) => ofSequence(view, "f32", true)),
  ];
  return rowParts("attention", output.shape[0], over, lowering.windows).flatMap(({ views }) => {
    const parts = [...inputs, ...written].map((view, i) => ofSequences(views[i], view.shape));
    const [partOutput, sums, notes] = parts.slice(inputs.length);
    const part = {
      ...{ inputs: parts.slice(0, inputs.length), dtypes, output: partOutput },
      scoring: attrs as unknown as Scoring,
    };
    if (!lowering.wide) return [forwardLanesKernel(part)];
    if (units !== undefined) return [forwardMatrixKernel(part, queries, units)];
    if (!isApart) return [forwardKernel(part, queries)];
    const apart = { sums, notes };
    return [
      forwardKernel(part, queries, apart),
      joinKernel(apart, sizesOf(part.inputs[0], part.inputs[1]), partOutput),
    ];
  });
};
