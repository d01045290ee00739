import fc from "fast-check";
import { type Device, tensor } from "../../../core/index.js";
import { MERGE_METHODS, type MergeMethod, type MergeOptions, mergeTensors } from "../../../optim/index.js";
import { run } from "../../close.js";

/** Elements of a tensor. */
export const N = 12;
/** Those that merge any number of models. */
export const methods = (Object.keys(MERGE_METHODS) as MergeMethod[]).filter((name) => !MERGE_METHODS[name].circle);
export const ofDeltas = methods.filter((method) => MERGE_METHODS[method].deltas !== undefined);

/** A model as a law sees it. */
export interface Source {
  readonly theta: readonly number[];
  readonly weight: number;
  readonly density?: number;
}

export const vector = (numbers: readonly number[]) => tensor([...numbers], [numbers.length]);
export const eighths = (low: number, high: number) => fc.integer({ min: low, max: high }).map((n) => n / 8);
export const vectors = fc.array(eighths(-16, 16), { minLength: N, maxLength: N });
export const weights = eighths(-4, 12);
export const densities = fc.constantFrom(0, 0.1, 0.25, 0.5, 0.75, 1);
const source: fc.Arbitrary<Source> = fc.record({ theta: vectors, weight: weights, density: densities });
export const sources = fc.array(source, { minLength: 1, maxLength: 3 });

export const merge = async (
  parts: readonly Source[],
  base: readonly number[] | undefined,
  options: MergeOptions,
  device: Device,
): Promise<number[]> => {
  const given = parts.map(({ theta, ...rest }) => ({ tensor: vector(theta), ...rest }));
  const [out] = await run(() => mergeTensors(given, base && vector(base), options), [], device);
  return Array.from(out);
};

export const total = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);
export const l1 = (xs: readonly number[]): number => total(xs.map(Math.abs));
