import { InputError } from "../../../core/errors.js";

/** Stands for a function of a module of Node's that a browser lacks. Errors, of its calls: InputError that names it. */
export const absent =
  (module: string, name: string) =>
  // Some are called with `new`.
  (): never => {
    throw new InputError(
      `${name} of ${module} was called, and a browser has none: this reads or writes files, run it in Node`,
    );
  };
