import {
  abs,
  add,
  bits,
  broadcastTo,
  cast,
  concat,
  floor,
  greaterEqual,
  less,
  lessEqual,
  minimum,
  mul,
  neg,
  pad,
  reshape,
  type Shape,
  scalar,
  sizeOf,
  sliceAxis,
  sub,
  type Tensor,
  unitInterval,
  where,
} from "../core/index.js";

/*
 * bf16 is the upper half of an f32. There are no bit operations here: exponents are found by powers of two, which is exact
 * on every device, and two codes are one u32.
 */

/** Exponents by halves: every integer below 128 is a sum of some of these. */
const LADDER = [64, 32, 16, 8, 4, 2, 1];
const SMALLEST = 2 ** -126;
/** The code of the largest finite number. */
const LARGEST = 0x7f7f;

/** How many u32 hold n bf16. */
const pairs = (n: number): number => Math.ceil(n / 2);

/** Numbers in the shape of a tensor, each made once: graphs of many parameters stay small. */
const numbersLike = ({ shape }: Tensor): ((x: number) => Tensor) => {
  const made = new Map<number, Tensor>();
  return (x) => {
    const known = made.get(x) ?? broadcastTo(scalar(x), shape);
    made.set(x, known);
    return known;
  };
};

/** a > 0 → [a / 2ᵉ in [1, 2), e]. */
const normalized = (a: Tensor): [Tensor, Tensor] => {
  const c = numbersLike(a);
  let [x, e] = [a, c(0)];
  for (const s of LADDER) {
    const hit = greaterEqual(x, c(2 ** s));
    [x, e] = [mul(x, where(hit, c(2 ** -s), c(1))), add(e, where(hit, c(s), c(0)))];
  }
  for (const s of LADDER) {
    const hit = less(x, c(2 ** (1 - s)));
    [x, e] = [mul(x, where(hit, c(2 ** s), c(1))), sub(e, where(hit, c(s), c(0)))];
  }
  return [x, e];
};

/** x · 2ᵉ for integers −126 ≤ e ≤ 127. */
const scaled = (x: Tensor, e: Tensor): Tensor => {
  const c = numbersLike(x);
  let [y, left] = [x, e];
  for (const s of LADDER) {
    const hit = greaterEqual(left, c(s));
    [y, left] = [mul(y, where(hit, c(2 ** s), c(1))), sub(left, where(hit, c(s), c(0)))];
  }
  for (const s of LADDER) {
    const hit = lessEqual(left, c(-s));
    [y, left] = [mul(y, where(hit, c(2 ** -s), c(1))), add(left, where(hit, c(s), c(0)))];
  }
  return y;
};

/** x where a condition holds, else 0. */
const onlyIf = (condition: Tensor, x: number): Tensor => where(condition, scalar(x), 0);

/**
 * Rounds to bf16, up or down at random such that the mean is x, and packs two to a word: f32 [*S] of n elements →
 * u32 [⌈n/2⌉]. The bits come from the key. Numbers that bf16 holds stay what they are; below 2⁻¹²⁶ all is 0, above the
 * largest bf16 all is that.
 */
export const packBf16 = (x: Tensor, key: Tensor): Tensor => {
  const n = sizeOf(x.shape);
  const flat = reshape(x, [n]);
  const a = abs(flat);
  const [significand, exponent] = normalized(a);
  // Of an f32's significand 16 bits go: a uniform number of 16 bits decides them without bias, and without rounding.
  const u = mul(floor(mul(unitInterval(bits(key, [n])), 2 ** 16)), 2 ** -16);
  const fraction = floor(add(mul(sub(significand, 1), 128), u));
  // A fraction of 128 carries into the exponent.
  const magnitude = minimum(add(mul(add(exponent, 127), 128), fraction), LARGEST);
  const code = add(where(less(a, SMALLEST), 0, magnitude), onlyIf(less(flat, 0), 0x8000));
  const even = cast(pad(code, [[0, n % 2]]), "u32");
  const h = pairs(n);
  return add(sliceAxis(even, 0, 0, h), mul(sliceAxis(even, 0, h, 2 * h), 2 ** 16));
};

/** What `packBf16` packed: u32 [⌈n/2⌉] → f32 of a shape of n elements. */
export const unpackBf16 = (packed: Tensor, shape: Shape): Tensor => {
  const n = sizeOf(shape);
  // Words of 16 bits turn into f32 without rounding.
  const low = mul(cast(mul(packed, 2 ** 16), "f32"), 2 ** -16);
  const high = mul(cast(sub(packed, cast(low, "u32")), "f32"), 2 ** -16);
  const code = sliceAxis(concat([low, high]), 0, 0, n);
  const negative = greaterEqual(code, 0x8000);
  const magnitude = sub(code, onlyIf(negative, 0x8000));
  const exponent = floor(mul(magnitude, 1 / 128));
  const significand = add(1, mul(sub(magnitude, mul(exponent, 128)), 1 / 128));
  const value = where(less(magnitude, 128), 0, scaled(significand, sub(exponent, 127)));
  return reshape(where(negative, neg(value), value), shape);
};

/** The shape of a packed tensor. */
export const packedShape = (shape: Shape): Shape => [pairs(sizeOf(shape))];
