import { cos, sin } from "../core/elementary.js";
import { asks } from "../core/expects.js";
import { type Tensor, tensor } from "../core/index.js";
import type { RopeConfig } from "./rope.js";

/** Cosine and sine of every position's rotary angles: constants [length, rotated pairs], computed in f64. */
export interface RopeTable {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

/**
 * The table of positions 0 … length − 1 of sequences of `tokens` tokens: angle = position · frequency.  Su et al. 2021;
 * frequencies as the config says: with longrope those of a batch follow, as in transformers, from its padded length.
 */
export const ropeTable = asks(
  "ropeTable",
  "record number number",
  ({ frequencies, magnitude, long }: RopeConfig, length: number, tokens: number): RopeTable => {
    const used = long !== undefined && tokens > long.over ? long.frequencies : frequencies;
    const half = used.length;
    const table = (f: (angle: number) => number) =>
      tensor(
        Float64Array.from({ length: length * half }, (_, i) => magnitude * f(Math.floor(i / half) * used[i % half])),
        [length, half],
      );
    return { cosine: table(cos), sine: table(sin) };
  },
);
