/** Deno's names for what its flags do not allow; its message names the flag. */
const FORBIDDEN = ["NotCapable", "PermissionDenied"];

/** Did the runtime forbid it? */
export const isForbidden = (error: unknown): error is Error => error instanceof Error && FORBIDDEN.includes(error.name);

/** What `look` finds, or `otherwise` where the runtime does not let it look: Deno without the flag that allows it. */
export const permitted = <T>(look: () => T, otherwise: T): T => {
  try {
    return look();
  } catch (error) {
    if (isForbidden(error)) return otherwise;
    throw error;
  }
};
