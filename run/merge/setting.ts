import { InputError } from "../../core/errors.js";
import { isObject, show } from "../../models/files/json.js";
import { unknownKey } from "./keys.js";

/**
 * A parameter of a merge, for a tensor by name that stands at `depth` of the layers (0 the first, 1 the last). Undefined
 * where its filters leave a tensor out.
 */
export type Setting<T> = (tensor: string, depth: number) => T | undefined;

/** Reads one value. `where` names file and key for the message. */
type Read<T> = (given: unknown, where: string) => T;

/** Between the two nearest of values that are spread evenly over the layers; what cannot be mixed takes the lower one. */
const overLayers = <T>(values: readonly T[], depth: number): T => {
  const at = depth * (values.length - 1);
  const low = Math.floor(at);
  const [a, b] = [values[low], values[Math.min(low + 1, values.length - 1)]];
  return typeof a === "number" && typeof b === "number" ? (((1 - (at - low)) * a + (at - low) * b) as T) : a;
};

const valueSetting = <T>(given: unknown, where: string, read: Read<T>): Setting<T> => {
  if (!Array.isArray(given)) {
    const value = read(given, where);
    return () => value;
  }
  if (given.length === 0) throw new InputError(`${where} is an empty list; give a value, or one for each layer`);
  const values = given.map((part: unknown) => read(part, where));
  return (_, depth) => overLayers(values, depth);
};

interface Conditional<T> {
  readonly applies: (tensor: string) => boolean;
  readonly value: Setting<T>;
}

const conditional = <T>(given: unknown, where: string, read: Read<T>): Conditional<T> => {
  if (!isObject(given) || !("value" in given))
    throw new InputError(`${where} holds ${show(given)}; an entry is {filter: PART OF A TENSOR'S NAME, value: …}`);
  const { filter = "*", value } = given;
  for (const key of Object.keys(given))
    if (key !== "filter" && key !== "value") throw unknownKey(where, key, ["filter", "value"]);
  if (filter !== null && typeof filter !== "string")
    throw new InputError(`${where}: filter is ${show(filter)}; it must be a part of a tensor's name`);
  return {
    applies: (tensor) => filter === null || filter === "*" || tensor.includes(filter),
    value: valueSetting(value, where, read),
  };
};

/**
 * mergekit's parameter values: a scalar; a list, spread over the layers and interpolated; or entries {filter, value}, of
 * which the first whose filter is part of the tensor's name decides.
 * Errors: InputError for anything else.
 */
export const setting = <T>(given: unknown, where: string, read: Read<T>): Setting<T> => {
  const entries = Array.isArray(given) ? given : [given];
  if (!entries.some(isObject)) return valueSetting(given, where, read);
  const conditions = entries.map((entry: unknown) => conditional(entry, where, read));
  return (tensor, depth) => conditions.find(({ applies }) => applies(tensor))?.value(tensor, depth);
};
