import { InputError } from "../../core/errors.js";
import { suggestion } from "../../core/suggest.js";

/** The refusal of a key that a recipe must not hold, with "did you mean". */
export const unknownKey = (where: string, key: string, known: readonly string[]): InputError => {
  const meant = suggestion(key, known);
  const help = meant === undefined ? `known are ${known.join(", ")}` : `did you mean "${meant}"?`;
  return new InputError(`${where}: unknown key "${key}"; ${help}`);
};
