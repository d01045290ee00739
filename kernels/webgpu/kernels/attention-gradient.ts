import { sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { rowParts } from "../windows/rows.js";
import { type GradientPart, keyKernel, queryKernel } from "./attention/gradient.js";
import { keyLanesKernel, queryLanesKernel } from "./attention/gradient-lanes.js";
import type { Scoring } from "./attention/scores.js";
import { KEYS, QUERIES } from "./attention/tile.js";
import { ofSequence, ofSequences } from "./attention.js";
import type { Lowering } from "./lowering.js";

/** Cotangents [dq, dk, dv], joined. Deterministic: each element is summed by one invocation, in order. */
export const attentionGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const { inputs, output } = step;
  const [, q, keys] = inputs;
  const queries = sizeOf(q.shape.slice(0, 3));
  if (sizeOf(output.shape) === 0) return [];
  lowering.scratch(0, 2 * queries);
  const { wide } = lowering;
  const [size, keySize] = [sizeOf(q.shape), sizeOf(keys.shape)];
  const dq = { ...q, buffer: output.buffer, offset: output.offset };
  const dk = { ...keys, buffer: output.buffer, offset: output.offset + size };
  const dv = { ...dk, offset: output.offset + size + keySize };
  const [batch, ...perSequence] = q.shape.slice(0, 3);
  const notes: View = { buffer: scratch(0), shape: [batch, 2 * sizeOf(perSequence)], strides: [], offset: 0 };
  const written = [dq, dk, dv, notes];
  const over = [
    ...inputs.map((view, i) => ofSequence(view, step.dtypes[i])),
    ...written.map((view) => ofSequence(view, "f32", true)),
  ];
  return rowParts("attention.vjp", batch, over, lowering.windows).flatMap(({ views }) => {
    const shown = [...inputs, ...written].map((view, i) => ofSequences(views[i], view.shape));
    const [partQ, partK, partV, partNotes] = shown.slice(inputs.length);
    const part: GradientPart = {
      ...{ inputs: shown.slice(0, inputs.length), dtypes: step.dtypes, scoring: step.attrs as unknown as Scoring },
      ...{ dq: partQ, dk: partK, dv: partV, notes: partNotes },
    };
    return [
      ...(size === 0 ? [] : [wide ? queryKernel(part, QUERIES) : queryLanesKernel(part)]),
      ...(keySize === 0 ? [] : [wide ? keyKernel(part, KEYS) : keyLanesKernel(part)]),
    ];
  });
};
