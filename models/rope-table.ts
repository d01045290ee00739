import { type Tensor, tensor } from "../core/index.js";
import { type ModelConfig, ropeInverseFrequencies } from "./config.js";

/** Cosine and sine of every position's rotary angles: constants [length, headDim/2], computed in f64. */
export interface RopeTable {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

/** What the table follows from. */
export type RopeSource = Pick<ModelConfig, "rope" | "headDim">;

/** The table of positions 0 … length − 1: angle = position · frequency.  Su et al. 2021; frequencies as config says. */
export const ropeTable = (config: RopeSource, length: number): RopeTable => {
  const frequencies = ropeInverseFrequencies(config);
  const half = frequencies.length;
  const table = (f: (angle: number) => number) =>
    tensor(
      Float64Array.from({ length: length * half }, (_, i) => f(Math.floor(i / half) * frequencies[i % half])),
      [length, half],
    );
  return { cosine: table(Math.cos), sine: table(Math.sin) };
};
