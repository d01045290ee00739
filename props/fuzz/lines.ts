/** Command lines: calls that work, with options that may not. */
import { parseArguments } from "../../cli/arguments.js";
import { resolveValues } from "../../cli/config.js";
import { type CommandName, optionsOf } from "../../cli/options.js";
import { goldenPath } from "../golden/files.js";
import type { Kind } from "./attempt.js";
import { pick } from "./mutate.js";
import { policy } from "./targets/target.js";

/** Calls that work, cost little, and write nothing. */
const CALLS: readonly (readonly [CommandName, ...string[]])[] = [
  ["logprobs", "--model", policy, "--ids", "1,2,3", "--device", "cpu"],
  ["generate", "--model", policy, "--ids", "1,2,3", "--max-new-tokens", "2", "--device", "cpu"],
  ...(["sft", "dpo", "kto"] as const).map((command): [CommandName, ...string[]] => [
    ...([command, "--model_name_or_path", policy, "--dataset_name"] as [CommandName, string, string, string]),
    goldenPath("preferences", command === "kto" ? "unpaired.jsonl" : "plain.jsonl"),
    ...["--output_dir", "out", "--dry_run", "--max_length", "64", "--max_steps", "2", "--device", "cpu"],
  ]),
  ["fit", "--model", policy, "--adapter", "cpu"],
  ["lab", "--smoke", "--dry-run", "--output-dir", "out"],
];
const VALUES: readonly string[] = [
  ...[
    "",
    " ",
    "-1",
    "0",
    "1",
    "0.5",
    "1e999",
    "-1e-999",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "2147483648",
    "4294967297",
  ],
  ...[
    "9007199254740993",
    "1".repeat(400),
    "true",
    "false",
    "null",
    "[]",
    "{}",
    "{",
    '{"a": 1}',
    "[[[[",
    "a,b",
    ",",
    "1,2,",
  ],
  ...[
    "--",
    "-",
    "=",
    "../..",
    "/",
    "/dev/zero",
    "~",
    "\u001b[31mred",
    "a\nb",
    "\u202eabc",
    "é",
    "\ud800",
    "x".repeat(9999),
  ],
];

export const line: Kind = (draw) => {
  const [command, ...rest] = pick(draw, CALLS);
  const args = [...rest];
  const names = [...optionsOf(command).keys()].filter((name) => !["config", "device", "dry_run"].includes(name));
  for (let i = draw(3); i >= 0; i--) {
    const name = draw(12) === 0 ? pick(draw, VALUES) : pick(draw, names);
    const value = pick(draw, VALUES);
    args.push(...pick(draw, [[`--${name}`, value], [`--${name}=${value}`], [`--${name}`], [value]]));
  }
  return {
    what: args.slice(rest.length).join(" "),
    args: [command, ...args],
    gate: async () => {
      const { help, values } = parseArguments(command, args);
      if (!help) await resolveValues(command, values);
    },
  };
};
