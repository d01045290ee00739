import { type ParseArgsConfig, parseArgs } from "node:util";
import { InputError } from "../core/errors.js";
import { oneLine, show } from "../models/files/json.js";
import { keysOf } from "../run/keys/table.js";
import type { Option } from "../run/options/kinds.js";
import { suggestedOption } from "../run/options/suggest.js";
import { type CommandName, optionsOf, specOf, spelled } from "./options.js";

/** Options as they were written: text, or true and false for flags. Not yet read by the table. */
export interface Given {
  readonly help: boolean;
  readonly values: ReadonlyMap<string, unknown>;
}

const canonical = (name: string): string => name.replaceAll("-", "_");

/** How options take a value: our own, and keys of other trainers, which may stand alone. */
const optionTable = (command: CommandName): ReadonlyMap<string, Pick<Option<unknown>, "flag" | "value" | "many">> =>
  new Map<string, Pick<Option<unknown>, "flag" | "value" | "many">>([
    ...Object.keys(keysOf(command)).map((name) => [name, { flag: true, value: "X" }] as const),
    ...optionsOf(command),
  ]);

/**
 * Splits a command's arguments by its options: --name value, --name=value, --flag, --flag false, --no-flag, --flag VALUE; names with _ or
 * with -. Errors: InputError for unknown names (with "did you mean"), for one given twice that takes one value, and for missing or stray
 * values.
 */
export const parseArguments = (command: CommandName, args: readonly string[]): Given => {
  const table = optionTable(command);
  const declared: NonNullable<ParseArgsConfig["options"]> = { help: { type: "boolean", short: "h" } };
  for (const [name, { flag }] of table)
    for (const spelling of [name, name.replaceAll("_", "-")])
      declared[spelling] = { type: flag ? "boolean" : "string" };

  const { tokens } = parseArgs({
    args: [...args],
    options: declared,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, unknown>();
  const set = (name: string, value: unknown): void => {
    if (values.has(name)) throw twice(command, name);
    values.set(name, value);
  };
  const places = [...(specOf(command).places ?? [])];
  let help = false;
  let flagBefore: { name: string; index: number } | undefined;
  for (const token of tokens) {
    if (token.kind === "positional") {
      // "--shuffle_dataset false", "--resume DIR": the value of the flag before it.
      const before = flagBefore?.index === token.index - 1 ? flagBefore : undefined;
      if (before !== undefined && (table.get(before.name)?.value !== "" || /^(true|false)$/i.test(token.value))) {
        values.set(before.name, token.value);
      } else {
        const place = places.shift();
        if (place === undefined) throw stray(command, token.value);
        set(place, token.value);
      }
    }
    flagBefore = undefined;
    if (token.kind !== "option") continue;
    if (token.name === "help" || token.name === "h") {
      help = true;
      continue;
    }
    const negated = token.name.startsWith("no-") || token.name.startsWith("no_");
    const name = canonical(token.name);
    const positive = name.slice(3);
    if (negated && token.value === undefined && table.get(positive)?.flag === true) {
      set(positive, false);
      continue;
    }
    const option = table.get(name);
    if (option === undefined) throw unknown(command, token.rawName, name);
    if (option.flag) {
      set(name, token.value ?? true);
      if (token.value === undefined) flagBefore = { name, index: token.index };
    } else {
      // "--model --json": the next option is no value. A value that begins so is written --model=--json.
      if (token.value === undefined || (token.inlineValue === false && token.value.startsWith("--")))
        throw new InputError(`${spelled(command, name)} needs a value (${option.value})`);
      if (option.many) values.set(name, [...((values.get(name) as string[]) ?? []), token.value]);
      else set(name, token.value);
    }
  }
  return { help, values };
};

const stray = (command: CommandName, value: string): InputError =>
  new InputError(
    `taugrad ${command} takes no argument ${show(value)}; options begin with --, see taugrad ${command} --help`,
  );

const twice = (command: CommandName, name: string): InputError =>
  new InputError(`${spelled(command, name)} is given twice; it takes one value, leave one out`);

const unknown = (command: CommandName, written: string, name: string): InputError =>
  new InputError(`taugrad ${command} has no option ${oneLine(written)}${didYouMean(command, name)}`);

const didYouMean = (command: CommandName, name: string): string => {
  const meant = suggestedOption(name, [...optionTable(command).keys()]);
  return meant === undefined ? `; see taugrad ${command} --help` : `; did you mean ${spelled(command, meant)}?`;
};
