import type { Rates } from "../kernels/matmul/rates.js";

/**
 * When tiles of products are timed on an adapter, which takes seconds. kept: never, but what was found before is used; now: unless
 * it was found before; again: now, whatever was; never: what was found before is not used either.
 */
export type Tune = "kept" | "now" | "again" | "never";

/** What is known of an adapter's tiles. */
export interface Tuning {
  readonly adapter: string;
  /** Where it is kept; undefined if it could not be. */
  readonly file: string | undefined;
  /** Rates of the tiles of each class of products, the fastest 1. */
  readonly rates: Rates;
  /** Of the measurement; undefined if it is an earlier one's. */
  readonly milliseconds?: number;
}

export interface TuneOptions {
  /** Default: "kept". Software adapters keep to what they are: their kernels have no tiles to choose among. */
  readonly tune?: Tune;
  /** Told what a person should know. Default: silent. */
  readonly notice?: (line: string) => void;
  /** Folder of what is kept. Default: the user's cache folder. */
  readonly tuningFolder?: string;
  /** Side of the products that are timed. Default: 2048. */
  readonly tuningSide?: number;
}
