import { asks, expects } from "../core/expects.js";
import {
  type Compiled,
  compile,
  type Device,
  dispose,
  type HostData,
  leaves,
  read,
  type Tensor,
  type Tree,
  vjp,
} from "../core/index.js";
import { openReference } from "../kernels/reference/index.js";

/** Half the distance of neighbouring f32 near 1: one rounding costs at most this share of the result. */
export const EPS = 2 ** -24;

let opened: Promise<Device> | undefined;
/** The oracle, beside whatever device a law runs on: f64, opened once for all laws. */
export const oracle = (): Promise<Device> => {
  opened ??= openReference();
  return opened;
};

/** Throws an Error of that message unless `holds`. */
export const ensure: (holds: boolean, message: string) => asserts holds = (holds, message) => {
  if (!holds) throw new Error(message);
};

/** The numbers of a tree's leaves; the tree is disposed of. */
export const numbersOf = async (tree: Tree): Promise<HostData[]> => {
  expects("numbersOf", "tree", tree);
  const out: HostData[] = [];
  for (const t of leaves(tree)) out.push(await read(t));
  dispose(tree);
  return out;
};

/** Builds f for a device, runs it once, reads the leaves of its result, and gives everything back. */
export const run = async <A extends Tree[]>(f: (...args: A) => Tree, args: A, device: Device): Promise<HostData[]> => {
  expects("run", "function array device", f, args, device);
  const compiled = compile(f as (...given: Tensor[]) => Tree, device) as unknown as Compiled<A, Tree>;
  const result = (compiled as unknown as (...given: A) => Tree)(...args);
  try {
    return await numbersOf(result);
  } finally {
    for (const program of compiled.programs()) program.free();
  }
};

/** How far numbers may lie from what is wanted: relative to the largest wanted magnitude, plus absolute. */
export interface Tolerance {
  readonly rel?: number;
  readonly abs?: number;
}

/** Largest magnitude of finite numbers. */
export const largest = (data: ArrayLike<number>): number =>
  Array.from(data).reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);

/** Throws unless numbers agree; NaN agrees with NaN only. Says where they first do not. */
export const assertClose = asks(
  "assertClose",
  "series series record",
  (got: ArrayLike<number>, want: ArrayLike<number>, { rel = 0, abs = 0 }: Tolerance, what = "numbers"): void => {
    ensure(got.length === want.length, `${what}: ${got.length} numbers for ${want.length}`);
    const room = abs + rel * largest(want);
    for (let i = 0; i < want.length; i++) {
      const same = Object.is(got[i], want[i]) || got[i] === want[i] || Math.abs(got[i] - want[i]) <= room;
      ensure(same, `${what}[${i}]: ${got[i]} for ${want[i]}, off by ${Math.abs(got[i] - want[i])} > ${room}`);
    }
  },
);

/** Throws unless they are the same numbers, bit for bit (0 and -0 count as one number). */
export const assertSame = (got: ArrayLike<number>, want: ArrayLike<number>, what = "numbers"): void => {
  expects("assertSame", "series series", got, want);
  assertClose(got, want, {}, what);
};

/** The device computes f as the reference does. */
export const agrees = async <A extends Tree[]>(
  f: (...args: A) => Tree,
  args: A,
  device: Device,
  tolerance: Tolerance,
): Promise<void> => {
  expects("agrees", "function array device record", f, args, device, tolerance);
  const [got, want] = [await run(f, args, device), await run(f, args, await oracle())];
  ensure(got.length === want.length, `${got.length} outputs for ${want.length}`);
  want.forEach((numbers, i) => {
    assertClose(got[i], numbers, tolerance, `output ${i}`);
  });
};

/** Value and gradient of a fused op: the reference knows only its expansion. */
export const withGradient =
  (op: (...inputs: Tensor[]) => Tensor) =>
  (ct: Tensor, ...inputs: Tensor[]): Tensor[] => {
    const [value, pull] = vjp((given: Tensor[]) => op(...given), inputs);
    return [value as Tensor, ...(pull(ct) as unknown as Tensor[][])[0]];
  };
