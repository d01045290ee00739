import { InputError } from "../../core/errors.js";
import { instead } from "../../core/suggest.js";

/** The refusal of a key that a recipe must not hold, with "did you mean". */
export const unknownKey = (where: string, key: string, known: readonly string[]): InputError =>
  new InputError(`${where}: unknown key "${key}"; ${instead(key, known)}`);
