import { InputError } from "../core/errors.js";
import { canonical, type ReadKeys, readKeys } from "./keys/read.js";
import { keysOf } from "./keys/table.js";
import type { Option } from "./option-kinds.js";
import { type CommandName, commands, type OptionName, optionsOf, specOf, spelled, type Values } from "./options.js";
import { suggestedOption } from "./suggest.js";
import { readYamlObject } from "./yaml.js";

/**
 * The values a command runs on: its YAML file (if it takes one and one was given), the command line over it, defaults under
 * both. Keys of other trainers become those of ours (`readKeys`); `tell` hears what is to be said of them.
 * Errors: InputError naming file or option, value, and what would be right.
 */
export const resolveValues = async <C extends CommandName>(
  command: C,
  given: ReadonlyMap<string, unknown>,
  tell: (note: string) => void = () => {},
): Promise<Values<C>> => {
  const table = optionsOf(command);
  const { defaults, required } = specOf(command);
  const values: Partial<Record<OptionName, unknown>> = {};
  for (const [name, option] of table) values[name] = name in defaults ? defaults[name] : option.fallback;
  const line = readKeys(command, {
    entries: given,
    named: (name) => spelled(command, name),
    unknown: (name) => unknownKey(command, "the command line", name),
  });
  const path = line.given.config as string | undefined;
  const file = path === undefined ? NOTHING : await readYaml(command, path);
  Object.assign(values, file.byDefault, line.byDefault, file.given, line.given);
  for (const note of [...file.notes, ...line.notes]) tell(note);
  const missing = required.find((name) => values[name] === undefined);
  if (missing !== undefined) throw new InputError(needed(command, missing, path !== undefined));
  return values as Values<C>;
};

const NOTHING: ReadKeys = { given: {}, byDefault: {}, notes: [] };

const needed = (command: CommandName, name: OptionName, hasFile: boolean): string => {
  const { value, about } = optionsOf(command).get(name) as Option<unknown>;
  const option = `${spelled(command, name)} ${value}`;
  const how = !specOf(command).keys
    ? option
    : hasFile
      ? `${name} in the file, or ${option}`
      : `--config FILE, or ${option}`;
  return `taugrad ${command} needs ${how} (${about})`;
};

/** The keys of a YAML file, checked by the option table; what null says of each: `ofNull`. */
const readYaml = async (command: CommandName, path: string): Promise<ReadKeys> => {
  const content = await readYamlObject(path);
  const seen = new Set<string>();
  for (const written of Object.keys(content)) {
    const name = canonical(written);
    if (name === "config" || name === "json") throw unknownKey(command, path, written);
    if (seen.has(name)) throw new InputError(`${path}: ${name} is there twice, once as ${written}`);
    seen.add(name);
  }
  return readKeys(command, {
    entries: Object.entries(content),
    named: (written) => `${path}: ${written}`,
    unknown: (written) => unknownKey(command, path, written),
  });
};

/** Does a command know a key, as its own or as that of another trainer? */
const knows = (command: CommandName, name: string): boolean =>
  optionsOf(command).has(name as OptionName) || Object.hasOwn(keysOf(command), name);

const unknownKey = (command: CommandName, path: string, written: string): InputError => {
  const other = (Object.keys(commands) as CommandName[]).find(
    (name) => specOf(name).keys && knows(name, canonical(written)),
  );
  const own = knows(command, canonical(written));
  if (other !== undefined && !own)
    return new InputError(`${path}: "${written}" is a key of taugrad ${other}, not of taugrad ${command}`);
  const names = [...optionsOf(command).keys(), ...Object.keys(keysOf(command))].filter(
    (name) => name !== "config" && name !== "json",
  );
  const meant = suggestedOption(canonical(written), names);
  const help = meant === undefined ? `see taugrad ${command} --help` : `did you mean "${meant}"?`;
  return new InputError(`${path}: unknown key "${written}"; ${help}`);
};
