import { InputError } from "../../../core/errors.js";

/** What a file may become beside its own size, in bytes. */
const BESIDE = 2 ** 22;
/** Most bytes of rows that a byte of a compressed file may become, unless somebody asks for more. */
export const INFLATION = 200;
/** What a row, or a value, counts beside its characters, in bytes. */
export const OF_ROW = 64;

/**
 * Counts the bytes that a compressed file of so many becomes. Errors: InputError once they are more than `inflation` times as
 * many, and 4 MiB: small files may well repeat themselves.
 */
export const inflating = (path: string, size: number, inflation: number): ((bytes: number) => void) => {
  const most = BESIDE + inflation * size;
  let made = 0;
  return (bytes) => {
    made += bytes;
    if (made > most)
      throw new InputError(
        `${path}: its ${size} bytes become more than ${most}, which is what a bomb does; max_inflation (${inflation}) allows more, if they are meant to`,
      );
  };
};
