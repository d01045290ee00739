import { InputError } from "./errors.js";

/** Deno's names for what its flags do not allow; its message names the flag. */
const FORBIDDEN = ["NotCapable", "PermissionDenied"];

/** Did the runtime forbid it? */
export const isForbidden = (error: unknown): error is Error => error instanceof Error && FORBIDDEN.includes(error.name);

/** What a call ends with where the runtime forbade it something: one line that names what to allow; any other error as it is. */
export const asRefusal = (where: string, error: unknown): unknown =>
  isForbidden(error)
    ? Object.assign(
        new InputError(
          `${where}: Deno: ${error.message.split("\n")[0]}; a run needs --allow-env --allow-read --allow-write --allow-sys, and --allow-ffi for device webgpu`,
        ),
        { cause: error },
      )
    : error;

/** What `look` finds, or `otherwise` where the runtime does not let it look: Deno without the flag that allows it. */
export const permitted = <T>(look: () => T, otherwise: T): T => {
  try {
    return look();
  } catch (error) {
    if (isForbidden(error)) return otherwise;
    throw error;
  }
};
