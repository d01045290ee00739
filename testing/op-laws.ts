import fc from "fast-check";
import { asks, expects } from "../core/expects.js";
import {
  abs,
  add,
  cast,
  compile,
  concat,
  type Device,
  type DeviceStats,
  dispose,
  evaluate,
  isFloating,
  jvp,
  leaves,
  mul,
  not,
  read,
  reshape,
  scalar,
  stack,
  sum,
  type Tensor,
  tensor,
  vjp,
  vmap,
  zerosLike,
} from "../core/index.js";
import { agrees, assertClose, ensure, oracle, run, type Tolerance } from "./close.js";
import { eighths, hash, seeds } from "./generators.js";
import { holds, type Law } from "./law.js";

/** A function of tensors, as an op is. */
export type OpFunction = (...x: Tensor[]) => Tensor;
/** The same with several results. */
type Ops = (...x: Tensor[]) => Tensor[];

const STEP = 1e-3;
/**
 * Relative to the sum of magnitudes involved. Four-point differences err by step⁴/30 · f⁗′ ≈ 1e-13 f⁗′ and by rounding
 * 1e-16/step; f⁗′ stays under 10⁵ on the domains drawn.
 */
const TOLERANCE = 1e-7;

const flat = (tensors: readonly Tensor[]): Tensor =>
  concat(
    tensors.map((x) => reshape(x, [-1])),
    0,
  );

/** Pulls a random cotangent back through f at args: all cotangents in one vector. */
export const pulled = (f: OpFunction, args: readonly Tensor[], seed: number): Tensor => {
  const [value, back] = vjp((x: readonly Tensor[]) => f(...x), [...args]);
  return flat(leaves(back(eighths(value.shape, seed, 1))));
};

/**
 * The gradient is what finite differences say: Σ ct·(f(x + hd) − f(x − hd))/2h = Σ vjp(ct)·d along a random direction d, in f64.
 * Args are f32, [*S] each, where f is smooth. Throws where they differ.
 * @example await agreesWithDifferences((x) => mul(x, sin(x)), [eighths([2, 3], 1)], 7);
 */
export const agreesWithDifferences = async (f: OpFunction, args: readonly Tensor[], seed: number): Promise<void> => {
  expects("agreesWithDifferences", "function tensors number", f, args, seed);
  const directions = args.map((x, i) => eighths(x.shape, seed + 17 * i + 1, 1));
  const ct = eighths(f(...args).shape, seed, 1);
  const along = (h: number) => sum(mul(ct, f(...args.map((x, i) => add(x, mul(directions[i], h))))));
  const slope = sum(mul(pulled(f, args, seed), flat(directions)));
  const size = sum(abs(mul(pulled(f, args, seed), flat(directions))));
  const tree = [slope, size, sum(abs(mul(ct, f(...args)))), ...[1, -1, 2, -2].map((n) => along(n * STEP))];
  const [got, scale, value, p1, m1, p2, m2] = (await run(() => tree, [], await oracle())).map((data) => data[0]);
  const want = (8 * (p1 - m1) - (p2 - m2)) / (12 * STEP);
  assertClose([got], [want], { abs: TOLERANCE * (1 + scale + value) }, "slope");
};

const dot = (a: readonly Tensor[], b: readonly Tensor[]): Tensor =>
  a.map((x, i) => sum(mul(cast(x, "f32"), b[i]))).reduce((total, x) => add(total, x), scalar(0));

const floats = (some: readonly Tensor[]) => some.filter(({ dtype }) => isFloating(dtype));

/** jvp is vjp's transpose: ⟨w, jvp(v)⟩ = ⟨vjp(w), v⟩ for random v and w. Args [*S] of any dtypes. Throws where they differ. */
export const jvpIsAdjoint = async (f: Ops, args: readonly Tensor[], seed: number): Promise<void> => {
  expects("jvpIsAdjoint", "function tensors number", f, args, seed);
  const tangents = args.map((x, i) => eighths(x.shape, seed + i, 1));
  const sides = (...x: Tensor[]) => {
    const [value, change] = jvp(f, x, tangents);
    const weights = floats(value).map((y, i) => eighths(y.shape, seed + 90 + i, 1));
    const [, back] = vjp(f, ...x);
    const given = [...weights];
    const back_ = back(value.map((y) => (isFloating(y.dtype) ? (given.shift() as Tensor) : zerosLike(y))));
    const [dx, v] = [back_, tangents].map((some) => some.filter((_, i) => isFloating(x[i].dtype)));
    const size = dot(
      dx.map((x) => abs(x)),
      v.map((x) => abs(x)),
    );
    return [dot(floats(change), weights), dot(dx, v), size];
  };
  const [got, want, size] = await run(sides, [...args], await oracle());
  assertClose(got, want, { abs: 1e-10 * (1 + size[0]) }, "⟨w, jvp(v)⟩");
};

/** Example i of a tensor: other numbers of its kind. */
const variant = (x: Tensor, i: number): Tensor =>
  isFloating(x.dtype) ? cast(mul(x, 1 + i / 8), x.dtype) : x.dtype === "bool" ? (i % 2 === 0 ? x : not(x)) : add(x, i);

/** vmap(f) over some of the arguments [*S], along axes from a seed, is f of one example after the other. Throws where it is not. */
export const vmapIsLoop = async (f: Ops, args: readonly Tensor[], seed: number): Promise<void> => {
  expects("vmapIsLoop", "function tensors number", f, args, seed);
  const reference = await oracle();
  const size = 1 + (seed % 3);
  const inAxes = args.map((x, i) => (i > 0 && hash(seed, i) % 3 === 0 ? null : hash(seed, i) % (x.shape.length + 1)));
  const examples = Array.from({ length: size }, (_, b) => args.map((x, i) => (inAxes[i] === null ? x : variant(x, b))));
  const one = f(...args);
  const outAxes = one.map((y, i) => (hash(seed, 50 + i) % (y.shape.length + 1)) - (seed % 2) * (y.shape.length + 1));
  const stackedArgs = args.map((x, i) => {
    const axis = inAxes[i];
    const each = examples.map((some) => some[i]);
    return axis === null ? x : stack(each, axis);
  });
  const got = await run(
    (...x: Tensor[]) => vmap(f, { inAxes, outAxes })(...x),
    stackedArgs.map((x) => evaluate(x, reference)),
    reference,
  );
  const looped = () => {
    const made = examples.map((some) => f(...some));
    return one.map((_, i) => stack(made.map((some) => some[i]), outAxes[i])); // biome-ignore format: one line
  };
  (await run(looped, [], reference)).forEach((numbers, i) => {
    assertClose(got[i], numbers, { rel: 1e-12, abs: 1e-12 }, `result ${i}`);
  });
};

/** Values of f, and cotangents of its floats [*S]: a function to hold to the same laws as f. */
export const withPullback = asks(
  "withPullback",
  "function number",
  (f: Ops, seed: number): Ops =>
    (...x) => {
      const [value, back] = vjp(f, ...x);
      return [
        ...value,
        ...back(value.map((y, i) => (isFloating(y.dtype) ? eighths(y.shape, seed + i, 1) : zerosLike(y)))),
      ];
    },
);

/** A second call with other numbers [*S] runs the program of the first, and leaves nothing behind. Throws where it does not. */
export const secondCallCompilesNothing = async (
  f: OpFunction,
  args: readonly Tensor[],
  device: Device,
): Promise<void> => {
  expects("secondCallCompilesNothing", "function tensors device", f, args, device);
  const constants = async (i: number): Promise<Tensor[]> => {
    const numbers = await run(() => args.map((x) => variant(x, i)), [], await oracle());
    return args.map(({ shape, dtype }, at) => tensor(numbers[at], shape, dtype));
  };
  const compiled = compile((x: Tensor[]) => f(...x), device);
  const counts: DeviceStats[] = [];
  for (const given of [await constants(0), await constants(1)]) {
    const y = compiled(given);
    await read(y);
    dispose(y);
    counts.push(device.stats());
  }
  for (const what of ["programs", "kernels", "liveBuffers", "liveBytes"] as const)
    ensure(counts[0][what] === counts[1][what], `${what}: ${counts[0][what]}, then ${counts[1][what]}`);
  ensure(compiled.programs().length === 1, `${compiled.programs().length} programs for one structure of arguments`);
  for (const program of compiled.programs()) program.free();
};

/** f of its arguments that are floats, with the others held as they are: what a gradient speaks of. */
const ofFloats = (f: OpFunction, args: readonly Tensor[]): readonly [OpFunction, readonly Tensor[]] => [
  (...some) => {
    const rest = [...some];
    return f(...args.map((x) => (x.dtype === "f32" ? (rest.shift() as Tensor) : x)));
  },
  args.filter(({ dtype }) => dtype === "f32"),
];

/** How an op is held to its laws. */
export interface OpLawOptions {
  /** Where it is compiled. Default: the reference device. */
  readonly device?: Device | Promise<Device>;
  /** How far the device may lie from the reference, relative to the largest number and beside it. Default 1e-5 each. */
  readonly tolerance?: Tolerance;
  /** Random cases for each law. Default 10. */
  readonly runs?: number;
}

/**
 * The laws of a differentiable op, on random arguments: its gradient is what finite differences say, and so is the gradient's
 * own; jvp is vjp's transpose; vmap is a loop; a second call compiles nothing; the device computes what the reference does.
 * Arguments are f32 (where f is smooth) and integers, [*S] each; the result is f32.
 * @example for (const { check } of opLaws((x) => mul(x, sigmoid(x)), tensors().map((x) => [x]), { runs: 2 })) await check();
 */
export const opLaws = (f: OpFunction, draw: fc.Arbitrary<readonly Tensor[]>, options: OpLawOptions = {}): Law[] => {
  expects("opLaws", "function any record?", f, draw, options);
  const { device = oracle(), tolerance = { rel: 1e-5, abs: 1e-5 }, runs = 10 } = options;
  const of = (name: string, body: (args: readonly Tensor[], seed: number) => Promise<void>): Law => ({
    name,
    check: () => holds(fc.tuple(draw, seeds()), ([args, seed]) => body(args, seed), runs),
  });
  const one: Ops = (...x) => [f(...x)];
  return [
    of("the gradient is what finite differences say, and so is its own", async (args, seed) => {
      const [g, x] = ofFloats(f, args);
      await agreesWithDifferences(g, x, seed);
      await agreesWithDifferences((...y) => pulled(g, y, seed + 5), x, seed);
    }),
    of("jvp is vjp's transpose", (args, seed) => jvpIsAdjoint(one, args, seed)),
    of("vmap is a loop, and so for the gradient", (args, seed) => vmapIsLoop(withPullback(one, seed), args, seed)),
    of("a second call compiles nothing", async (args) => secondCallCompilesNothing(f, args, await device)),
    of("the device computes what the reference does", async (args) =>
      agrees((...x: Tensor[]) => f(...x), [...args], await device, tolerance),
    ),
  ];
};
