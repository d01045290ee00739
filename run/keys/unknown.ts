import { InputError } from "../../core/errors.js";
import { suggestedOption } from "../options/suggest.js";
import { canonical, type Taker } from "./read.js";
import { keysOf } from "./table.js";

/** Does one know a key, as its own or as that of another trainer? */
const knows = ({ name, options }: Taker, key: string): boolean => options.has(key) || Object.hasOwn(keysOf(name), key);

/** Who does not know a key, and where it stands. */
interface Unknown {
  /** The file, or the call. */
  readonly where: string;
  readonly written: string;
  readonly taker: Taker;
  /** Others who may. */
  readonly others: readonly Taker[];
  /** What a taker is called. */
  readonly called: (name: string) => string;
  /** What else is known there, and what of the taker's is not. */
  readonly more?: readonly string[];
  readonly less?: readonly string[];
}

/** The error of a key that is not known: whose it is, or what was probably meant. */
export const unknownKey = ({ where, written, taker, others, called, more = [], less = [] }: Unknown): InputError => {
  const key = canonical(written);
  const other = others.find((one) => knows(one, key));
  if (other !== undefined && !knows(taker, key))
    return new InputError(`${where}: "${written}" is a key of ${called(other.name)}, not of ${called(taker.name)}`);
  const names = [...taker.options.keys(), ...Object.keys(keysOf(taker.name)), ...more];
  const meant = suggestedOption(
    key,
    names.filter((name) => !less.includes(name)),
  );
  const help = meant === undefined ? `see taugrad ${taker.name} --help` : `did you mean "${meant}"?`;
  return new InputError(`${where}: unknown key "${written}"; ${help}`);
};
