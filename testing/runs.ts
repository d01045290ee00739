import fc from "fast-check";
import { expects } from "../core/expects.js";
import { compile, type Device, dispose, evaluate, read, type Tensor, tensor } from "../core/index.js";
import type { Optimizer } from "../optim/index.js";
import { assertClose, ensure } from "./close.js";

/** Masks of one step, 1 = kept. */
export interface StepMasks {
  readonly delta?: readonly number[];
  readonly tau?: readonly number[];
  readonly gradient?: readonly number[];
}

/** One parameter's run: everything an optimizer is told. */
export interface Run {
  readonly start: readonly number[];
  /** One a step. */
  readonly grads: readonly (readonly number[])[];
  /** Default 1e-3. */
  readonly lr?: number;
  readonly refDelta?: readonly number[];
  /** Reference weights. Default: the start. */
  readonly anchor?: readonly number[];
  /** Masks for each step, from 0; what is undefined is drawn. */
  readonly masks?: (step: number) => StepMasks;
  /** Mask of τ that is drawn once, by `prepare`. */
  readonly tauMask?: readonly number[];
  readonly seed?: number;
  /** The parameter's name. Default "w". */
  readonly name?: string;
}

export const maskTree = (name: string, mask: readonly number[]) => ({
  [name]: tensor([...mask], [mask.length], "bool"),
});

const maskTrees = (name: string, masks: StepMasks) =>
  Object.fromEntries(
    Object.entries(masks).flatMap(([stream, mask]) =>
      mask === undefined ? [] : [[stream, maskTree(name, mask as readonly number[])]],
    ),
  );

const vector = (numbers: readonly number[]) => tensor([...numbers], [numbers.length]);

/** What a run leaves. */
interface Walked {
  /** After each step. */
  readonly weights: readonly (readonly number[])[];
  /** As `prepare` made it. */
  readonly tau: readonly number[];
  /** At the end. */
  readonly slots: Readonly<Record<string, readonly number[]>>;
  readonly reported: readonly number[] | undefined;
  readonly end: readonly number[];
}

/** Takes one optimizer through runs. */
export interface Walker {
  readonly walk: (run: Run) => Promise<Walked>;
  readonly free: () => void;
}

/** What it traces and plans for a first run is there for the next ones of the same length; `free` frees it. */
export const walkerOf = (optimizer: Optimizer, device: Device): Walker => {
  type Weights = { [name: string]: Tensor };
  const step = compile(optimizer.update<Weights>, device, { donate: [0] });
  const prepare = compile(optimizer.prepare<Weights>, device);
  const begin = compile((start: Weights) => optimizer.init(start), device);
  const walk = async (run: Run): Promise<Walked> => {
    const { start, grads, lr = 1e-3, refDelta = start.map(() => 0) } = run;
    const { masks = () => ({}), tauMask, seed, name = "w" } = run;
    const anchor = { [name]: vector(run.anchor ?? start) };
    const from = { [name]: vector(start) };
    let state = seed === undefined ? begin(from) : evaluate(optimizer.init(from, { seed }), device);
    const fed = tauMask === undefined ? {} : { tau: maskTree(name, tauMask) };
    const tau = prepare({ [name]: vector(refDelta) }, state.key, fed);
    const weights: number[][] = [];
    for (const [t, grad] of grads.entries()) {
      const inputs = {
        lr,
        masks: maskTrees(name, masks(t)),
        ...(optimizer.usesTau ? { tau } : {}),
        ...(optimizer.usesAnchor ? { anchor } : {}),
      };
      state = step(state, { [name]: vector(grad) }, inputs);
      weights.push(Array.from(await read(state.params[name])));
    }
    const slots: Record<string, number[]> = {};
    for (const slot of Object.keys(state.slots)) slots[slot] = Array.from(await read(state.slots[slot][name]));
    const { report } = optimizer;
    const reported = report === undefined ? undefined : await numbers(report(state)[name], device);
    const prepared = Array.from(await read(tau[name]));
    dispose(state, tau);
    return { weights, tau: prepared, slots, reported, end: weights[weights.length - 1] ?? [...start] };
  };
  return {
    walk,
    free: () => {
      for (const program of [...begin.programs(), ...prepare.programs(), ...step.programs()]) program.free();
    },
  };
};

/** The weights after each step, the prepared τ and the slots at the end. Frees all that it made. */
export const path = async (optimizer: Optimizer, run: Run, device: Device): Promise<Walked> => {
  expects("path", "any record device", optimizer, run, device);
  const { walk, free } = walkerOf(optimizer, device);
  try {
    return await walk(run);
  } finally {
    free();
  }
};

/** √Σ(a−b)² */
export const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.sqrt(a.reduce((total, x, i) => total + (x - b[i]) ** 2, 0));

/** n numbers k/8 with |k| ≤ 16, never zero where `nonzero`. */
export const vectors = (n: number, nonzero = false): fc.Arbitrary<number[]> => {
  expects("vectors", "number", n);
  const eighth = fc.integer({ min: -16, max: 16 }).map((k) => (nonzero && k === 0 ? 1 : k) / 8);
  return fc.array(eighth, { minLength: n, maxLength: n });
};

/** Random runs of T steps over n weights; gradients have no zeros. */
export const runs = (T = 4, n = 6) =>
  fc.record({
    start: vectors(n),
    grads: fc.array(vectors(n, true), { minLength: T, maxLength: T }),
    refDelta: vectors(n, true),
  });

/** T masks of n, 1 = kept. */
export const masksOver = (T = 4, n = 6): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(fc.constantFrom(0, 1), { minLength: n, maxLength: n }), { minLength: T, maxLength: T });

/** The product element by element. */
export const times = (a: readonly number[], b: readonly number[] | number): number[] =>
  a.map((x, i) => x * (typeof b === "number" ? b : b[i]));
export const plus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x + b[i]);
export const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x - b[i]);

/**
 * Equal up to rounding in the device's precision: f64 on reference, f32 elsewhere. The numbers of these laws are of order
 * one and take a few steps of a few operations each, so a hundred ulps of one is ample and no term is that small.
 */
export const roundingOf = (device: Device): number => (device.name === "reference" ? 100 * 2 ** -53 : 100 * 2 ** -24);

/** Throws unless they are equal up to `roundingOf` the device, beside the largest expected number. */
export const assertNear = (got: readonly number[], expected: readonly number[], device: Device, what = ""): void => {
  expects("assertNear", "array array device", got, expected, device);
  ensure(got.length === expected.length, `${what}: ${got.length} numbers for ${expected.length}`);
  const off = Math.max(0, ...got.map((x, i) => Math.abs(x - expected[i])));
  ensure(
    off <= roundingOf(device) * Math.max(1, ...expected.map(Math.abs)),
    `${what} off by ${off}: ${got} for ${expected}`,
  );
};

/** Throws unless they are equal bit for bit, signs of zeros too. */
export const sameBits = (got: ArrayLike<number>, expected: ArrayLike<number>, what = "numbers"): void => {
  expects("sameBits", "series series", got, expected);
  ensure(got.length === expected.length, `${what}: ${got.length} numbers for ${expected.length}`);
  for (let i = 0; i < expected.length; i++)
    ensure(Object.is(got[i], expected[i]), `${what}[${i}]: ${got[i]} for ${expected[i]}`);
};

/** Equal bit for bit on reference. Elsewhere two programs may contract a·b+c differently: equal up to rounding. */
export const assertSame = (got: readonly number[], expected: readonly number[], device: Device, what = ""): void => {
  expects("assertSame", "array array device", got, expected, device);
  if (device.name === "reference") assertClose(got, expected, {}, what);
  else assertNear(got, expected, device, what);
};

/** Differ by far more than rounding. */
export const assertApart = (got: readonly number[], other: readonly number[], device: Device, what = ""): void =>
  ensure(distance(got, other) > 1000 * roundingOf(device), `${what} should differ: ${got}`);

/** A tensor's numbers, computed on a device. */
export const numbers = async (t: Tensor, device: Device): Promise<number[]> => {
  const value = evaluate(t, device);
  const out = Array.from(await read(value));
  dispose(value);
  return out;
};

/** A run whose gradients are masked before the optimizer sees them: ChildTuning, by hand. */
export const masked = (run: Run, masks: readonly (readonly number[])[], factor = 1): Run => ({
  ...run,
  grads: run.grads.map((g, t) => times(times(g, masks[t]), factor)),
});
