import {
  bernoulli,
  foldIn,
  foldInName,
  namedLeaves,
  ShapeError,
  sameShape,
  type Tensor,
  type TensorLike,
  type Tree,
  typeOf,
} from "../core/index.js";
import type { Draw, Stream } from "./rule.js";

/** Masks to use instead of drawn ones: bool, trees like the parameters. For tests, and for masks that were estimated. */
export type Masks<P extends Tree = Tree> = { readonly [stream in Stream]?: P };

const STREAM: Record<Stream, number> = { delta: 0, tau: 1, gradient: 2 };

/** Where the rounding of a step begins: beside the masks' streams. */
const ROUNDING = 3;

/** Keys for stochastic rounding in one step: functions of (seed, step, what is rounded, parameter name). */
export const roundingOf = (key: Tensor, step: TensorLike) => {
  const stepKey = foldIn(foldIn(key, step), ROUNDING);
  return (what: string, name: string): Tensor => foldInName(foldInName(stepKey, what), name);
};

/**
 * Masks of one step, parameter by parameter: a function of (seed, step, stream, parameter name, flat index) and nothing
 * else. Step and stream are folded in first, since the parameters share them.
 */
export const masksOf = (key: Tensor, step: TensorLike, fed: Masks | undefined, call: string) => {
  const stepKey = foldIn(key, step);
  const of = <T>(make: (stream: Stream) => T) => ({
    delta: make("delta"),
    tau: make("tau"),
    gradient: make("gradient"),
  });
  const streams = of((stream) => foldIn(stepKey, STREAM[stream]));
  const given = of((stream) => fed?.[stream] && new Map(namedLeaves(fed[stream])));
  return (name: string, like: Tensor): Draw =>
    (stream, p) => {
      const mask = given[stream]?.get(name);
      if (mask === undefined) return bernoulli(foldInName(streams[stream], name), p, like.shape);
      if (mask.dtype !== "bool" || !sameShape(mask.shape, like.shape))
        throw new ShapeError(
          `${call}: "${name}": the ${stream} mask is ${typeOf(mask)} for a parameter ${typeOf(like)}`,
          "masks are bool and shaped like their parameters",
        );
      return mask;
    };
};
