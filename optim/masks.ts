import {
  bernoulli,
  concat,
  foldIn,
  foldInEach,
  foldInName,
  namedLeaves,
  namesAsData,
  reshape,
  ShapeError,
  sameShape,
  sliceAxis,
  type Tensor,
  type TensorLike,
  type Tree,
  tensor,
  typeOf,
} from "../core/index.js";
import type { Draw, Stream } from "./rule.js";

/** Masks to use instead of drawn ones: bool, trees like the parameters. For tests, and for masks that were estimated. */
export type Masks<P extends Tree = Tree> = { readonly [stream in Stream]?: P };

const STREAM: Record<Stream, number> = { delta: 0, tau: 1, gradient: 2 };

/** Where the rounding of a step begins: after the masks' streams, which count from 0. */
const ROUNDING = 3;

/** The keys of several parameters for one step: functions of (seed, step, what they are for, parameter name). */
export interface StepKeys {
  /** Of a mask. */
  readonly mask: (stream: Stream, name: string) => Tensor;
  /** Of stochastic rounding, of anything that was named. */
  readonly rounding: (what: string, name: string) => Tensor;
}

/** Keys u32 [names, 2], one by one. */
export const keyByName = (keys: Tensor, names: readonly string[]): ReadonlyMap<string, Tensor> =>
  new Map(names.map((name, i) => [name, reshape(sliceAxis(keys, 0, i, i + 1), [2])]));

/** Keys for stochastic rounding in one step, of parameters of these names: u32 [names, 2]. */
export const roundingKeys = (key: Tensor, step: TensorLike, what: string, names: readonly string[]): Tensor =>
  foldInEach(foldInName(foldIn(foldIn(key, step), ROUNDING), what), namesAsData(names));

/**
 * All keys of a step, drawn at once: step and stream are folded in first, since the parameters share them. `rounded` names what is
 * rounded.
 */
export const keysOf = (
  key: Tensor,
  step: TensorLike,
  names: readonly string[],
  rounded: readonly string[],
): StepKeys => {
  const data = namesAsData(names);
  const inEach = (keys: Tensor): Tensor => foldInEach(reshape(keys, [keys.shape[0], 1, 2]), data);
  const stepKeys = foldInEach(foldIn(key, step), tensor(Int32Array.of(...Object.values(STREAM), ROUNDING)));
  const masks = inEach(sliceAxis(stepKeys, 0, 0, ROUNDING));
  const own = foldInEach(reshape(sliceAxis(stepKeys, 0, ROUNDING, ROUNDING + 1), [2]), namesAsData(rounded));
  const keys = rounded.length === 0 ? masks : concat([masks, inEach(own)]); // one buffer
  const place = new Map(names.map((name, i) => [name, i]));
  const at = (row: number, name: string): Tensor => {
    const i = place.get(name) as number;
    return reshape(sliceAxis(sliceAxis(keys, 0, row, row + 1), 1, i, i + 1), [2]);
  };
  return {
    mask: (stream, name) => at(STREAM[stream], name),
    rounding: (what, name) => at(ROUNDING + rounded.indexOf(what), name),
  };
};

/** Masks of one step, parameter by parameter: drawn by its keys and flat index and nothing else, or fed. */
export const masksOf = ({ mask: keyOf }: StepKeys, fed: Masks | undefined, call: string) => {
  const given = new Map(Object.entries(fed ?? {}).map(([stream, masks]) => [stream, new Map(namedLeaves(masks))]));
  return (name: string, like: Tensor): Draw =>
    (stream, p, shape = like.shape) => {
      const mask = given.get(stream)?.get(name);
      if (mask === undefined) return bernoulli(keyOf(stream, name), p, shape);
      if (mask.dtype !== "bool" || !sameShape(mask.shape, shape))
        throw new ShapeError(
          `${call}: "${name}": the ${stream} mask is ${typeOf(mask)} for a parameter ${typeOf(like)}`,
          sameShape(shape, like.shape)
            ? "masks are bool and shaped like their parameters"
            : `here masks are bool[${shape}], as large as what it is projected to`,
        );
      return mask;
    };
};
