/** Errors that a caller can mend. Every message says what was called, what is wrong and, as a hint, how to mend it. */
abstract class TaugradError extends Error {
  /** Said by hand: what minifies a page renames its classes. */
  abstract override readonly name: string;
  /** One line that says how to mend it. */
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(hint === undefined ? message : `${message}\n  hint: ${hint}`);
    this.hint = hint;
  }
}

/** Shapes or dtypes of a call do not fit. */
export class ShapeError extends TaugradError {
  override readonly name: string = "ShapeError";
}

/** Something that came from outside (file, option, configuration) is wrong. The command line prints it as one line, exit code 2. */
export class InputError extends TaugradError {
  override readonly name: string = "InputError";
  constructor(message: string) {
    super(message);
  }
}

/** A device cannot do what was asked: no adapter, no kernel, out of memory. */
export class DeviceError extends TaugradError {
  override readonly name: string = "DeviceError";
}

/**
 * A device went away with all that lay on it: the browser took it, its driver was reset, or one of its threads has ended. Another
 * one can be opened, and training goes on there from its last snapshot.
 */
export class DeviceLostError extends DeviceError {
  override readonly name: string = "DeviceLostError";
}

/** What there was no room for. */
export interface Lacking {
  /** As errors name it: `cpu`. */
  readonly device: string;
  /** Asked for. */
  readonly bytes: number;
  /** In use by then. */
  readonly used: number;
  /** Most that there is, or that one buffer may have, if that is known. */
  readonly limit?: number;
  readonly isOfBuffers?: boolean;
  /** What would raise the limit. */
  readonly remedy?: string;
  /** The tensor: what makes it, dtype and shape. */
  readonly tensor?: string;
}

/** A device has no room for a tensor. */
export class OutOfMemoryError extends DeviceError {
  override readonly name: string = "OutOfMemoryError";
  readonly lacking: Lacking;
  constructor(lacking: Lacking) {
    const { device, bytes, used, limit, isOfBuffers, remedy, tensor } = lacking;
    const most = limit === undefined ? "" : `, ${limit} at most${isOfBuffers ? " in one buffer" : ""}`;
    super(
      `${device}: out of memory: ${bytes} bytes asked, ${used} in use${most}${tensor === undefined ? "" : `, for ${tensor}`}`,
      `use a smaller batch, checkpoint() layers, or ${remedy ?? "a device with more memory"}`,
    );
    this.lacking = lacking;
  }
}

/** Runs `allocate`; says which tensor there was no room for, if nobody has said so yet. */
export const naming = <T>(tensor: () => string, allocate: () => T): T => {
  try {
    return allocate();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError) || error.lacking.tensor !== undefined) throw error;
    throw new OutOfMemoryError({ ...error.lacking, tensor: tensor() });
  }
};

/** A tensor is used after it was disposed of or donated, or belongs to another device. */
export class OwnershipError extends TaugradError {
  override readonly name: string = "OwnershipError";
}
