import fc from "fast-check";
import { asks, expects } from "../core/expects.js";
import { broadcastTo, type DType, permute, type Shape, sizeOf, slice, type Tensor, tensor } from "../core/index.js";

/** A well-mixed 32-bit hash of two integers (murmur's finisher): numbers that depend on (seed, i) and shrink with them. */
export const hash = (seed: number, i: number): number => {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(i + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** Seeds of numbers. */
export const seeds = (): fc.Arbitrary<number> => fc.nat({ max: 9999 });

/** Eighths in [-most, most]: exact in f32, and so are their sums and small products. */
export const eighths = asks(
  "eighths",
  "numbers number",
  (shape: Shape, seed: number, most = 2): Tensor =>
    tensor(
      Float64Array.from({ length: sizeOf(shape) }, (_, i) => ((hash(seed, i) % (16 * most + 1)) - 8 * most) / 8),
      shape,
    ),
);

/** Eighths in [low, low + 2]. */
export const positives = asks(
  "positives",
  "numbers number",
  (shape: Shape, seed: number, low = 0.5): Tensor =>
    tensor(
      Float64Array.from({ length: sizeOf(shape) }, (_, i) => low + (hash(seed, i) % 17) / 8),
      shape,
    ),
);

/** Different numbers [*S], an eighth apart, in random order; never nearer than 1/16 to zero or to `eighths`. */
export const distinct = (shape: Shape, seed: number): Tensor => {
  expects("distinct", "numbers number", shape, seed);
  const n = sizeOf(shape);
  const rank = Array.from({ length: n }, (_, i) => i).sort((a, b) => hash(seed, a) - hash(seed, b));
  return tensor(
    Float64Array.from(rank, (place) => (place - (n >> 1)) / 8 + 1 / 16),
    shape,
  );
};

/** Integers [*S] in low … high. */
export const integers = (shape: Shape, seed: number, low: number, high: number, dtype: DType = "i32"): Tensor => {
  expects("integers", "any number number number", shape, seed, low, high);
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => low + (hash(seed, i) % (high - low + 1)));
  return tensor(dtype === "i32" ? Int32Array.from(values) : Uint32Array.from(values), shape, dtype);
};

/** Booleans [*S]. */
export const booleans = asks(
  "booleans",
  "numbers number",
  (shape: Shape, seed: number): Tensor => integers(shape, seed, 0, 1, "bool"),
);

/** Small shapes: few axes, of few elements; size 1 and 0 come often enough. */
export const shapes = ({ rank = 3, size = 4, low = 0, minRank = 0 } = {}): fc.Arbitrary<number[]> =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: Math.max(1, low), max: size }) },
      { weight: 1, arbitrary: fc.integer({ min: low, max: 1 }) },
    ),
    {
      minLength: minRank,
      maxLength: rank,
    },
  );

/** Two shapes that broadcast together: some axes of either become 1, or are left out in front. */
export const broadcastable = (): fc.Arbitrary<[number[], number[]]> =>
  fc.tuple(shapes(), fc.array(fc.nat({ max: 5 }), { maxLength: 6 })).map(([shape, picks]) => {
    const thin = (which: number) => {
      const axes = shape.map((n, i) => (picks[2 * i + which] === 1 ? 1 : n));
      const drop = (picks[which] ?? 0) === 5 ? 1 : 0;
      return axes.slice(drop);
    };
    return [thin(0), thin(1)];
  });

/** An order of `rank` axes from a seed. */
export const axisOrder = asks("axisOrder", "number number", (rank: number, seed: number): number[] =>
  Array.from({ length: rank }, (_, i) => i).sort((a, b) => hash(seed, a) - hash(seed, b)),
);

/** Some axes from a seed, perhaps none or all. */
export const someAxes = asks("someAxes", "number number", (rank: number, seed: number): number[] =>
  Array.from({ length: rank }, (_, i) => i).filter((i) => hash(seed, i) % 2 === 0),
);

/** Another shape of the same size from a seed: axes merged or split. */
export const reshaped = (shape: Shape, seed: number): number[] => {
  expects("reshaped", "numbers number", shape, seed);
  const out: number[] = [];
  shape.forEach((n, i) => {
    const choice = hash(seed, i) % 4;
    if (choice === 0 && out.length > 0) out.push((out.pop() as number) * n);
    else if (choice === 1 && n > 0 && n % 2 === 0) out.push(2, n / 2);
    else if (choice === 2) out.push(n, 1);
    else out.push(n);
  });
  return out;
};

/** A tensor and a way to see it as `shape`: axes permuted in memory, some broadcast from size 1, some a slice. */
export const viewOf = (shape: Shape, seed: number) => {
  expects("viewOf", "numbers number", shape, seed);
  const order = axisOrder(shape.length, seed);
  const mode = shape.map((_, axis) => hash(seed, 10 + axis) % 4);
  const starts = mode.map((m) => (m === 0 ? 2 : 0));
  const stored = shape.map((n, axis) => (mode[axis] === 0 ? n + 3 : mode[axis] === 1 ? 1 : n));
  const thin = shape.map((n, axis) => (mode[axis] === 1 ? 1 : n));
  const base = order.map((axis) => stored[axis]);
  const stops = starts.map((start, axis) => start + thin[axis]);
  const back = order.map((_, axis) => order.indexOf(axis));
  return {
    base: eighths(base, seed),
    look: (x: Tensor) => broadcastTo(slice(permute(x, back), starts, stops), shape),
  };
};
