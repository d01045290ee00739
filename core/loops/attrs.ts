import type { Tensor } from "../tensor.js";

/** One step as a graph: what it reads, as placeholders, and what it makes of it. */
export interface Body {
  /** What the step before made: `next` has their shapes and dtypes. */
  readonly carries: readonly Tensor[];
  /** This step's rows of what is walked along axis 0. */
  readonly rows: readonly Tensor[];
  /** What every step sees. */
  readonly shared: readonly Tensor[];
  readonly next: readonly Tensor[];
  /** This step's rows of what is stacked along axis 0. */
  readonly made: readonly Tensor[];
}

/** What a loop node knows; its inputs are the first carries, what is walked, and what is shared. */
export interface LoopAttrs extends Body {
  readonly length: number;
  /** From the last row to the first. */
  readonly reverse: boolean;
}

/** What a loop node runs. */
export const loopAttrs = (t: Tensor): LoopAttrs => t.attrs as unknown as LoopAttrs;

/** The inputs of a loop node by what they are. */
export const loopInputs = <T>({ carries, rows }: Body, inputs: readonly T[]) => {
  const [n, m] = [carries.length, carries.length + rows.length];
  return { init: inputs.slice(0, n), walked: inputs.slice(n, m), shared: inputs.slice(m) };
};
