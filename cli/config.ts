import { InputError } from "../core/errors.js";
import { canonical, type ReadKeys, readKeys, type Taker, together } from "../run/keys/read.js";
import { unknownKey } from "../run/keys/unknown.js";
import type { Option } from "../run/options/kinds.js";
import { readYamlObject } from "../run/yaml.js";
import { type CommandName, commands, type OptionName, optionsOf, specOf, spelled, type Values } from "./options.js";

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
  const taker = takerOf(command);
  const line = readKeys(taker, {
    entries: given,
    named: (name) => spelled(command, name),
    unknown: (name) => unknown(command, "the command line", name),
  });
  const path = line.given.config as string | undefined;
  const file = path === undefined ? NOTHING : await readYaml(command, path);
  const values = together(taker, file, line);
  for (const note of [...file.notes, ...line.notes]) tell(note);
  const missing = specOf(command).required.find((name) => values[name] === undefined);
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
  for (const written of Object.keys(content))
    if (["config", "json"].includes(canonical(written))) throw unknown(command, path, written);
  return readKeys(takerOf(command), {
    entries: Object.entries(content),
    named: (written) => `${path}: ${written}`,
    unknown: (written) => unknown(command, path, written),
  });
};

/** A command as one who reads keys. */
const takerOf = (command: CommandName): Taker => ({
  name: command,
  options: optionsOf(command),
  defaults: specOf(command).defaults,
});

/** Commands that read YAML files with keys. */
const keyed = (Object.keys(commands) as CommandName[]).filter((name) => specOf(name).keys);

const unknown = (command: CommandName, where: string, written: string): InputError =>
  unknownKey({
    ...{ where, written, taker: takerOf(command), others: keyed.map(takerOf), called: (name) => `taugrad ${name}` },
    less: ["config", "json"],
  });
