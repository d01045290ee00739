import type { Option } from "../run/options/kinds.js";
import { type CommandName, commands, optionsOf, specOf, spelled } from "./options.js";

/** Longer lines are too long to read. */
const WIDTH = 130;

/** Words in lines of at most `width` characters. */
const wrapped = (text: string, width: number): string[] => {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
};

/** Lines of two columns. */
const table = (rows: readonly (readonly [left: string, right: string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows
    .flatMap(([left, right]) =>
      wrapped(right, WIDTH - width - 4).map((line, i) => `  ${(i === 0 ? left : "").padEnd(width)}  ${line}`),
    )
    .join("\n");
};

export const programHelp = (version: string): string =>
  [
    `taugrad ${version}: trains transformers headless, on WebGPU or WebAssembly`,
    "",
    "usage: taugrad COMMAND [options]",
    "",
    table((Object.keys(commands) as CommandName[]).map((name) => [name, specOf(name).summary])),
    "",
    "taugrad COMMAND --help lists the command's options. Exit code: 0, or 2 for a usage or input error.",
    "Training that is ended by SIGINT or SIGTERM saves its state first; its exit code is 130 or 143.",
  ].join("\n");

const defaultOf = (command: CommandName, name: string, { flag, fallback }: Option<unknown>): string => {
  const { defaults } = specOf(command);
  const value = name in defaults ? defaults[name as keyof typeof defaults] : fallback;
  const small = typeof value === "number" && value !== 0 && Math.abs(value) < 1e-3;
  return value === undefined || (flag && value === false) ? "" : ` [${small ? value.toExponential() : value}]`;
};

const OTHERS =
  "Keys of TRL, transformers, alignment-handbook and LLaMA-Factory are known too: taugrad help keys says what is done with each.";

export const commandHelp = (command: CommandName): string => {
  const { summary, usage, required, keys } = specOf(command);
  const rows = [...optionsOf(command)].map(([name, option]): [string, string] => [
    `${spelled(command, name)} ${option.value}`.trimEnd(),
    `${option.about}${defaultOf(command, name, option)}${required.includes(name) ? " (required)" : ""}`,
  ]);
  const flags = "Values in [ ] are defaults; --no-NAME turns a flag off.";
  return [
    `taugrad ${command}: ${summary}`,
    "",
    `usage: taugrad ${command} ${usage}`,
    "",
    table([...rows, ["--help", "this text"]]),
    "",
    keys ? `Options may stand in the YAML file too, without the dashes. ${flags}\n${OTHERS}` : flags,
  ].join("\n");
};
