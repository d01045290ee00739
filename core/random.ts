import { ShapeError } from "./errors.js";
import { checked, expects } from "./expects.js";
import { broadcastTo } from "./ops/broadcast.js";
import { cast } from "./ops/cast.js";
import { full, iota, scalar, tensor } from "./ops/leaf.js";
import { add, cos, less, log, mul, sqrt, sub, type TensorLike } from "./ops/pointwise.js";
import { randomBits, unitInterval } from "./ops/random-bits.js";
import { concat, reshape, sliceAxis } from "./ops/view.js";
import { typeOf } from "./print.js";
import { broadcastShapes, type Shape, sizeOf } from "./shape.js";
import { isTensor, type Tensor } from "./tensor.js";

/** Separate streams of one key: numbers, splits, folds never share bits. */
const DOMAIN = { bits: 0, split: 1, fold: 2 } as const;

/**
 * A random key: u32 [2]. All randomness is a function of (key, index); the same bits on every device. Errors: ShapeError unless
 * the seed is an integer ≥ 0.
 * @example normal(key(0), [2]) // the same two numbers on every device
 */
export const key = (seed: number): Tensor => {
  expects("key", "number", seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new ShapeError(`key(${seed}): the seed must be an integer ≥ 0`);
  return tensor(new Uint32Array([Math.floor(seed / 2 ** 32), seed >>> 0]));
};

const words = (k: Tensor, call: string): [Tensor, Tensor] => {
  if (k.dtype !== "u32" || k.shape.length !== 1 || k.shape[0] !== 2)
    throw new ShapeError(`${call}: ${typeOf(k)} is not a key`, "make one with key(seed); arraySplit(x, …) cuts arrays");
  return [reshape(sliceAxis(k, 0, 0, 1), []), reshape(sliceAxis(k, 0, 1, 2), [])];
};

/** So many keys, as a tuple where the number is written out and at most 16. */
type Keys<N extends number, R extends Tensor[] = []> = number extends N
  ? Tensor[]
  : R["length"] extends N
    ? R
    : R["length"] extends 16
      ? Tensor[]
      : Keys<N, [...R, Tensor]>;

/**
 * n independent keys: `const [a, b] = split(key)`. Errors: ShapeError unless n is an integer ≥ 0.
 * @example const [forWeights, forNoise] = split(key(0)); add(normal(forWeights, [2]), normal(forNoise, [2]))
 */
export const split = <const N extends number = 2>(k: Tensor, n: N = 2 as N): Keys<N> => {
  expects("split", "tensor number", k, n);
  if (!Number.isInteger(n) || n < 0) throw new ShapeError(`split(key, ${n}): n must be an integer ≥ 0`);
  const [k0, k1] = words(k, `split(key, ${n})`);
  const bits = randomBits(k0, k1, iota([2 * n], 0, "u32"), DOMAIN.split);
  return Array.from({ length: n }, (_, i) => sliceAxis(bits, 0, 2 * i, 2 * i + 2)) as Keys<N>;
};

/**
 * A key for (key, data): data is an integer, 0 ≤ data < 2^31, or such an i32/u32 scalar, as a step number is. u32 [2] → [2].
 * Errors: ShapeError for other data.
 * @example bernoulli(foldIn(key(0), 7), 0.5, [4]) // the mask of step 7
 */
export const foldIn = (k: Tensor, data: TensorLike): Tensor => {
  expects("foldIn", "tensor operand", k, data);
  if (!isTensor(data) && !(Number.isInteger(data) && data >= 0 && data < 2 ** 31))
    throw new ShapeError(`foldIn(key, ${data}): data must be an integer, 0 ≤ data < 2^31`);
  const [k0, k1] = words(k, "foldIn(key, data)");
  const value = isTensor(data) ? cast(data, "u32") : scalar(data, "u32");
  if (value.shape.length > 0) throw new ShapeError(`foldIn(key, ${typeOf(value)}): data must be a scalar`);
  const at = mul(value, 2);
  const [word0, word1] = [at, add(at, 1)].map((i) => randomBits(k0, k1, i, DOMAIN.fold));
  return concat([reshape(word0, [1]), reshape(word1, [1])]);
};

/** A name as data of a key (FNV-1a, 32 bits). */
const hashOf = (name: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 1;
};

/** A key for a name: masks of a parameter do not depend on where it stands in a tree. u32 [2] → [2]. */
export const foldInName = checked(
  "foldInName",
  "tensor text",
  (k: Tensor, name: string): Tensor => foldIn(k, hashOf(name)),
);

/** Names as data for `foldInEach`: i32 [names]. */
export const namesAsData = (names: readonly string[]): Tensor => {
  expects("namesAsData", "texts", names);
  return tensor(Int32Array.from(names, hashOf));
};

/**
 * `foldIn` of many keys at once: keys u32 [...K, 2], data i32 or u32 [...D], broadcast to one another → u32 [...S, 2].
 * Errors: ShapeError unless they are.
 */
export const foldInEach = (keys: Tensor, data: Tensor): Tensor => {
  expects("foldInEach", "tensor tensor", keys, data);
  const { shape } = keys;
  const call = `foldInEach(${typeOf(keys)}, ${typeOf(data)})`;
  const lead = broadcastShapes(shape.slice(0, -1), data.shape);
  if (
    keys.dtype !== "u32" ||
    shape.at(-1) !== 2 ||
    lead === undefined ||
    (data.dtype !== "i32" && data.dtype !== "u32")
  )
    throw new ShapeError(`${call}: needs keys u32 [...K, 2] and integers [...D], where K and D broadcast`);
  const index = add(mul(reshape(cast(data, "u32"), [...data.shape, 1]), 2), iota([2], 0, "u32"));
  const [k0, k1] = [0, 1].map((word) => sliceAxis(keys, shape.length - 1, word, word + 1));
  return randomBits(k0, k1, broadcastTo(index, [...lead, 2]), DOMAIN.fold);
};

/** Random u32 [...shape]; element i depends on (key, i) alone, i the flat index. */
export const bits = (k: Tensor, shape: Shape): Tensor => {
  expects("bits", "tensor numbers", k, shape);
  const [k0, k1] = words(k, "bits(key, shape)");
  return reshape(randomBits(k0, k1, iota([sizeOf(shape)], 0, "u32"), DOMAIN.bits), shape);
};

/**
 * Uniform in [0, 1), multiples of 2^-24. f32 [...shape].
 * @example uniform(key(0), [3]) // three numbers in [0, 1)
 */
export const uniform = checked(
  "uniform",
  "tensor numbers",
  (k: Tensor, shape: Shape): Tensor => unitInterval(bits(k, shape)),
);

/**
 * Standard normal numbers (Box–Muller). f32 [...shape].
 * @example normal(key(0), [2, 3]) // six numbers
 */
export const normal = checked("normal", "tensor numbers", (k: Tensor, shape: Shape): Tensor => {
  const [a, b] = split(k, 2);
  const radius = sqrt(mul(-2, log(sub(1, uniform(a, shape)))));
  return mul(radius, cos(mul(2 * Math.PI, uniform(b, shape))));
});

/**
 * True with probability p, [...shape]. Compared as integers, so that every device draws the same mask. Errors: ShapeError
 * unless 0 ≤ p ≤ 1.
 */
export const bernoulli = (k: Tensor, p: number, shape: Shape): Tensor => {
  expects("bernoulli", "tensor number numbers", k, p, shape);
  if (!(p >= 0 && p <= 1)) throw new ShapeError(`bernoulli(key, ${p}, [${shape}]): p must lie in [0, 1]`);
  const threshold = Math.round(p * 2 ** 32);
  if (threshold >= 2 ** 32) return full(shape, 1, "bool");
  return less(bits(k, shape), scalar(threshold, "u32"));
};
