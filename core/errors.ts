/** Errors that a caller can mend. Every message says what was called, what is wrong and, as a hint, how to mend it. */
class TaugradError extends Error {
  /** One line that says how to mend it. */
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(hint === undefined ? message : `${message}\n  hint: ${hint}`);
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** Shapes or dtypes of a call do not fit. */
export class ShapeError extends TaugradError {}

/** Something that came from outside (file, option, configuration) is wrong. The command line prints it as one line, exit code 2. */
export class InputError extends TaugradError {
  constructor(message: string) {
    super(message);
  }
}

/** A device cannot do what was asked: no adapter, no kernel, out of memory. */
export class DeviceError extends TaugradError {}

/** A tensor is used after it was disposed of or donated, or belongs to another device. */
export class OwnershipError extends TaugradError {}
