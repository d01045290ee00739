import { sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { rowParts } from "../windows/rows.js";
import type { GradientPart } from "./attention/gradient.js";
import { type Noted, noteWords } from "./attention/notes.js";
import { sizesOf } from "./attention/operands.js";
import type { Scoring } from "./attention/scores.js";
import { ofSequence, ofSequences } from "./attention.js";
import type { Lowering } from "./lowering.js";

/** The kernels of some sequences: the first leaves notes for the second. */
interface Pair extends Pick<Noted, "block" | "units"> {
  readonly queries: (part: GradientPart) => Kernel;
  readonly keys: (part: GradientPart) => Kernel;
}

/** Where a gradient's results lie: dq, dk, dv, joined. */
export const resultsOf = ({ inputs: [, q, keys], output }: CallStep): [dq: View, dk: View, dv: View] => {
  const dq = { ...q, buffer: output.buffer, offset: output.offset };
  const dk = { ...keys, buffer: output.buffer, offset: output.offset + sizeOf(q.shape) };
  return [dq, dk, { ...dk, offset: dk.offset + sizeOf(keys.shape) }];
};

/** Cotangents [dq, dk, dv], joined. Deterministic: each element is summed by one invocation, in order. */
export const attentionGradientOver = (step: CallStep, lowering: Lowering, pair: Pair): Kernel[] => {
  const { inputs, output } = step;
  const [, q, keys] = inputs;
  if (sizeOf(output.shape) === 0) return [];
  const noted = { block: pair.block, hasFrom: inputs.length > 5, units: pair.units };
  const words = noteWords(sizesOf(q, keys), noted);
  const batch = q.shape[0];
  lowering.scratch(0, batch * words);
  const [size, keySize] = [sizeOf(q.shape), sizeOf(keys.shape)];
  const notes: View = { buffer: scratch(0), shape: [batch, words], strides: [], offset: 0 };
  const written = [...resultsOf(step), notes];
  const over = [
    ...inputs.map((view, i) => ofSequence(view, step.dtypes[i])),
    ...written.map((view) => ofSequence(view, "f32", true)),
  ];
  return rowParts("attention.vjp", batch, over, lowering.windows).flatMap(({ views }) => {
    const shown = [...inputs, ...written].map((view, i) => ofSequences(views[i], view.shape));
    const [partQ, partK, partV, partNotes] = shown.slice(inputs.length);
    const part: GradientPart = {
      ...{ inputs: shown.slice(0, inputs.length), dtypes: step.dtypes, scoring: step.attrs as unknown as Scoring },
      ...{ dq: partQ, dk: partK, dv: partV, notes: partNotes, ...noted },
    };
    return [...(size === 0 ? [] : [pair.queries(part)]), ...(keySize === 0 ? [] : [pair.keys(part)])];
  });
};
