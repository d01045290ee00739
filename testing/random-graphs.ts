/**
 * Random graphs whose f32 error is bounded as they are built. A draw is a list of small integers, read as instructions over
 * a pool of values; any integers make a graph, so that fast-check shrinks them freely.
 */
import fc from "fast-check";
import * as t from "../core/index.js";
import { axisOrder, booleans, eighths, hash, integers, reshaped, seeds, shapes, someAxes } from "./generators.js";
import { floats } from "./random-floats.js";
import {
  compared,
  either,
  fit,
  indexAlong,
  integer,
  type Make,
  partner,
  stored,
  type Value,
  value,
} from "./random-values.js";

/** Instructions on i32 and u32: wrapping arithmetic, exact on every device. */
const wrapping =
  (f: (x: t.Tensor, y: t.Tensor) => t.Tensor): Make =>
  (a, other, _, seed) =>
    integer(f(a.x, partner(a, other, seed).x), 2 ** 32);
const whole: Readonly<Record<string, Make>> = {
  neg: ({ x }) => integer(t.neg(x), 2 ** 32),
  index: (a, _b, _c, seed) => {
    const x = indexAlong(a, seed, a.x.dtype === "i32" ? "i32" : "u32");
    return x && integer(x, Math.max(...a.x.shape) + 2);
  },
  bits: (a, _b, _c, seed) => integer(t.cast(t.bits(t.key(seed), a.x.shape), a.x.dtype), 2 ** 32),
  add: wrapping(t.add),
  sub: wrapping(t.sub),
  mul: wrapping(t.mul),
  maximum: wrapping(t.maximum),
  minimum: wrapping(t.minimum),
  less: compared(t.less),
  lessEqual: compared(t.lessEqual),
  equal: compared(t.equal),
  sum: ({ x }, _b, _c, seed) => integer(t.sum(x, someAxes(x.shape.length, seed), seed % 2 === 0), 2 ** 32),
  toF32: ({ x, bound }) => value(t.cast(x, "f32"), bound, 0, 0),
  toOther: ({ x }) => integer(t.cast(x, x.dtype === "i32" ? "u32" : "i32"), 2 ** 32),
  toBool: ({ x }) => integer(t.cast(x, "bool"), 1),
  gather: (a, b, _, seed) =>
    a.x.shape.length > 0
      ? { ...a, x: t.gather(a.x, integers(b.x.shape.slice(0, 2), seed, -1, a.x.shape[0])) }
      : undefined,
};

const logic: Readonly<Record<string, Make>> = {
  and: (a, other, _, seed) => integer(t.and(a.x, partner(a, other, seed).x), 1),
  or: (a, other, _, seed) => integer(t.or(a.x, partner(a, other, seed).x), 1),
  not: ({ x }) => integer(t.not(x), 1),
  bernoulli: ({ x }, _b, _c, seed) => integer(t.bernoulli(t.key(seed), 0.5, x.shape), 1),
  equal: compared(t.equal),
  toF32: ({ x }) => value(t.cast(x, "f32"), 1, 0, 0),
  toI32: ({ x }) => integer(t.cast(x, "i32"), 1),
};

/** Instructions on anything. */
const views: Readonly<Record<string, Make>> = {
  reshape: (a, _b, _c, seed) => ({ ...a, x: t.reshape(a.x, reshaped(a.x.shape, seed)) }),
  flatten: (a) => ({ ...a, x: t.reshape(a.x, [-1]) }),
  permute: (a, _b, _c, seed) => ({ ...a, x: t.permute(a.x, axisOrder(a.x.shape.length, seed)) }),
  broadcastTo: (a, _b, _c, seed) =>
    a.x.shape.length > 3
      ? undefined
      : {
          ...a,
          x: t.broadcastTo(a.x, [1 + (seed % 3), ...a.x.shape.map((n, i) => (n === 1 ? 1 + (hash(seed, i) % 3) : n))]),
        },
  slice: (a, _b, _c, seed) => ({
    ...a,
    x: t.slice(
      a.x,
      a.x.shape.map((n, i) => hash(seed, i) % (1 + (n >> 1))),
      a.x.shape.map((n, i) => n - (hash(seed, i + 9) % (1 + (Math.max(0, n - 1) >> 1)))),
    ),
  }),
  pad: (a, _b, _c, seed) =>
    t.sizeOf(a.x.shape) > 128
      ? undefined
      : {
          ...a,
          x: t.pad(
            a.x,
            a.x.shape.map((_, i) => [hash(seed, i) % 3, hash(seed, i + 9) % 2] as const),
          ),
        },
  concat: (a, b, _, seed) => {
    if (a.x.shape.length === 0) return undefined;
    const axis = seed % a.x.shape.length;
    const other = fit(
      b,
      a.x.shape.map((n, i) => (i === axis ? seed % 3 : n)),
    );
    return { ...a, ...either(a, other), x: t.concat(seed % 2 === 0 ? [a.x, other.x] : [other.x, a.x, a.x], axis) };
  },
  where: (a, b, _, seed, any) => {
    const condition = any.x.dtype === "bool" ? any.x : booleans(any.x.shape, seed);
    const [mask, other] = [partner(a, integer(condition, 1), seed), partner(a, b, seed + 1)];
    const shape = t.broadcastShapes(mask.x.shape, other.x.shape);
    if (shape === undefined || t.broadcastShapes(shape, a.x.shape) === undefined) return undefined;
    return { ...a, ...either(a, other), x: t.where(mask.x, a.x, other.x) };
  },
};

/** To a 16-bit dtype and back: what is known exactly is rounded alike everywhere. */
const narrow =
  (round: (x: t.Tensor, seed: number) => t.Tensor): Make =>
  ({ x, bound, error, grain }, _b, _c, seed) =>
    error === 0 ? stored(round(x, seed), bound, grain) : undefined;
const narrowing: Readonly<Record<string, Make>> = {
  toBf16: narrow((x) => t.cast(x, "bf16")),
  toF16: narrow((x) => t.cast(x, "f16")),
  roundRandom: narrow((x, seed) =>
    t.roundRandom(t.cast(x, "f32"), t.bits(t.key(seed), x.shape), seed % 2 === 0 ? "bf16" : "f16"),
  ),
  widen: (a) => ({ ...a, x: t.cast(a.x, "f32") }),
};

const halves = [...Object.values(floats), ...Object.values(views), ...Object.values(narrowing)];
const makers: Readonly<Record<t.DType, readonly Make[]>> = {
  f32: halves,
  bf16: halves,
  f16: halves,
  i32: [...Object.values(whole), ...Object.values(views)],
  u32: [...Object.values(whole), ...Object.values(views)],
  bool: [...Object.values(logic), ...Object.values(views)],
};

/** A function of its leaves, drawn; calling it twice builds equal graphs. */
export interface RandomGraph {
  readonly leaves: readonly Value[];
  readonly build: (leaves: readonly t.Tensor[]) => Value[];
}

const halfLeaf = (shape: number[], dtype: t.HalfType, seed: number): t.Tensor =>
  t.tensor(t.constantData(eighths(shape, seed)).data, shape, dtype);

const leafOf = ([shape, dtype, seed]: readonly [number[], t.DType, number]): Value => {
  if (dtype === "f32") return value(eighths(shape, seed), 2, 0, 3);
  if (t.isHalf(dtype)) return { ...value(eighths(shape, seed), 2, 0, 3), x: halfLeaf(shape, dtype, seed) };
  if (dtype === "bool") return integer(booleans(shape, seed), 1);
  return integer(integers(shape, seed, dtype === "i32" ? -3 : 0, 5, dtype), 5);
};

const MOST_ELEMENTS = 600;
/** What a device may differ by and still be held to something: exponentials of exponentials are left out. */
const MOST_ERROR = 1;

const grow = (pool: Value[], [kind, i, j, k, seed]: readonly number[]): void => {
  const a = pool[pool.length - 1 - (i % pool.length)];
  // Operands share a's dtype; `where` may take any condition.
  const alike = pool.filter(({ x }) => x.dtype === a.x.dtype);
  const table = makers[a.x.dtype];
  const [b, c, any] = [alike[j % alike.length], alike[k % alike.length], pool[k % pool.length]];
  const make = (which: number) => table[which % table.length](a, b, c, seed, any);
  const made = make(kind) ?? make(kind + 1);
  if (made !== undefined && t.sizeOf(made.x.shape) <= MOST_ELEMENTS && made.error < MOST_ERROR) pool.push(made);
};

/** Graphs of up to `most` instructions, with several outputs. */
export const randomGraphs = (most = 12): fc.Arbitrary<RandomGraph> =>
  fc
    .tuple(
      fc.array(
        fc.tuple(shapes(), fc.constantFrom<t.DType>("f32", "f32", "f32", "i32", "u32", "bool", "bf16", "f16"), seeds()),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      fc.array(fc.tuple(fc.nat(99), fc.nat(20), fc.nat(20), fc.nat(20), fc.nat(999)), {
        minLength: 1,
        maxLength: most,
      }),
      fc.array(fc.nat(most), { minLength: 1, maxLength: 4 }),
    )
    .map(([drawn, steps, outputs]) => {
      const given = drawn.map(leafOf);
      const build = (stand: readonly t.Tensor[]): Value[] => {
        const pool = given.map((leaf, i) => ({ ...leaf, x: stand[i] }));
        for (const step of steps) grow(pool, step);
        // The last value, and some others.
        return [pool[pool.length - 1], ...outputs.map((i) => pool[i % pool.length])];
      };
      const show = () => {
        const leaves = given.map(({ x }) => x);
        const numbers = leaves.map((x) => `${t.typeOf(x)} = ${Array.from(t.constantNumbers(x).data)}`);
        return `\n${[...numbers, t.printGraph(build(leaves).map(({ x }) => x))].join("\n")}\n`;
      };
      return { leaves: given, build, [fc.toStringMethod]: show };
    });
