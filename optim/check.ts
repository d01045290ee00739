import { InputError } from "../core/index.js";

/** Throws unless low ≤ value ≤ high. Errors: InputError that names the option. */
export const within = (call: string, option: string, value: number, low: number, high: number): void => {
  if (!(value >= low && value <= high))
    throw new InputError(`${call}: ${option} is ${value}; it must lie in [${low}, ${high}]`);
};

/** Throws unless 0 ≤ value < 1. Errors: InputError that names the option. */
export const belowOne = (call: string, option: string, value: number): void => {
  if (!(value >= 0 && value < 1)) throw new InputError(`${call}: ${option} is ${value}; it must lie in [0, 1)`);
};

/** Throws unless value is a finite number ≥ 0. Errors: InputError that names the option. */
export const notNegative = (call: string, option: string, value: number): void => {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
    throw new InputError(`${call}: ${option} is ${value}; it must be a finite number ≥ 0`);
};

/** Throws unless value is an integer ≥ low. Errors: InputError that names the option. */
export const integerFrom = (call: string, option: string, value: number, low: number): void => {
  if (!(Number.isSafeInteger(value) && value >= low))
    throw new InputError(`${call}: ${option} is ${value}; it must be an integer ≥ ${low}`);
};
