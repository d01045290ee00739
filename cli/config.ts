import { InputError } from "../core/errors.js";
import type { Option } from "./option-kinds.js";
import { type CommandName, commands, type OptionName, optionsOf, specOf, spelled, type Values } from "./options.js";
import { suggestedOption } from "./suggest.js";
import { readYamlObject } from "./yaml.js";

/**
 * The values a command runs on: its YAML file (if it takes one and one was given), the command line over it, defaults under
 * both. Errors: InputError naming file or option, value, and what would be right.
 */
export const resolveValues = async <C extends CommandName>(
  command: C,
  given: ReadonlyMap<OptionName, unknown>,
): Promise<Values<C>> => {
  const table = optionsOf(command);
  const { defaults, required } = specOf(command);
  const values: Partial<Record<OptionName, unknown>> = {};
  for (const [name, option] of table) values[name] = name in defaults ? defaults[name] : option.fallback;
  const file = given.get("config");
  if (file !== undefined) {
    const path = (table.get("config") as Option<unknown>).read(file, spelled(command, "config")) as string;
    Object.assign(values, await readYaml(command, path));
  }
  for (const [name, value] of given)
    values[name] = (table.get(name) as Option<unknown>).read(value, spelled(command, name));
  const missing = required.find((name) => values[name] === undefined);
  if (missing !== undefined) throw new InputError(needed(command, missing, file !== undefined));
  return values as Values<C>;
};

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

/** The keys of a YAML file, checked by the option table. Keys whose value is null count as absent. */
const readYaml = async (command: CommandName, path: string): Promise<Partial<Record<OptionName, unknown>>> => {
  const content = await readYamlObject(path);
  const table = optionsOf(command);
  const values: Partial<Record<OptionName, unknown>> = {};
  for (const [written, value] of Object.entries(content)) {
    const name = written.replaceAll("-", "_") as OptionName;
    const option = table.get(name);
    if (option === undefined || name === "config" || name === "json") throw unknownKey(command, path, written);
    if (name in values) throw new InputError(`${path}: ${name} is there twice, once as ${written}`);
    if (value != null) values[name] = option.read(value, `${path}: ${written}`);
  }
  return values;
};

const unknownKey = (command: CommandName, path: string, written: string): InputError => {
  const other = (Object.keys(commands) as CommandName[]).find(
    (name) => specOf(name).keys && optionsOf(name).has(written.replaceAll("-", "_") as OptionName),
  );
  const own = optionsOf(command).has(written.replaceAll("-", "_") as OptionName);
  if (other !== undefined && !own)
    return new InputError(`${path}: "${written}" is a key of taugrad ${other}, not of taugrad ${command}`);
  const names = [...optionsOf(command).keys()].filter((name) => name !== "config" && name !== "json");
  const meant = suggestedOption(written.replaceAll("-", "_"), names);
  const help = meant === undefined ? `see taugrad ${command} --help` : `did you mean "${meant}"?`;
  return new InputError(`${path}: unknown key "${written}"; ${help}`);
};
