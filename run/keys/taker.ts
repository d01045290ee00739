import type { TrainingKind } from "../fit/kinds.js";
import { optionsFor, takes } from "../options/takes.js";
import type { Taker } from "./read.js";

/** A kind of training as one who reads keys. */
export const takerOf = (kind: TrainingKind): Taker => ({
  name: kind,
  options: optionsFor(kind),
  defaults: takes[kind].defaults,
});
