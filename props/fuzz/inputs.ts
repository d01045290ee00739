/** What strangers hand in: spoiled files, things that are no files, and command lines. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArguments } from "../../cli/arguments.js";
import { resolveValues } from "../../cli/config.js";
import { type CommandName, optionsOf } from "../../cli/options.js";
import { goldenPath } from "../golden/files.js";
import type { Kind, Took } from "./attempt.js";
import { mutant, pick } from "./mutate.js";
import { laid, type Target, targets } from "./targets.js";

/** A call that was refused leaves no model behind. */
const leftIn =
  (out: string) =>
  async ({ code }: Took): Promise<string | undefined> =>
    code !== 0 && existsSync(out) && readdirSync(out).some((name) => name.endsWith(".safetensors"))
      ? "half an output"
      : undefined;

const spoiled =
  (target: Target): Kind =>
  (draw, place) => {
    const { name, bytes } = mutant(target.whole, target.kind, draw);
    const { out, ...call } = laid(target, (path) => writeFileSync(path, bytes), place);
    return { what: `${target.name}, ${name}`, ...call, lost: leftIn(out) };
  };

/** Things that stand where a file should be, by what makes them at a path. */
const NO_FILES: Readonly<Record<string, (path: string) => void>> = {
  pipe: (path) => {
    if (spawnSync("mkfifo", [path]).status !== 0) writeFileSync(path, "");
  },
  folder: (path) => mkdirSync(path),
  dangling: (path) => symlinkSync(join(path, "..", "nowhere"), path),
  itself: (path) => symlinkSync(path, path),
  empty: (path) => writeFileSync(path, ""),
  /** Eight GiB that take no room. */
  sparse: (path) => {
    writeFileSync(path, "");
    truncateSync(path, 2 ** 33);
  },
  ...Object.fromEntries(
    [
      "/dev/zero",
      "/dev/urandom",
      "/dev/null",
      "/dev/full",
      "/dev/tty",
      "/proc/kmsg",
      "/proc/self/mem",
      "/proc/self/maps",
      "/",
    ]
      .filter((place) => existsSync(place))
      .map((place) => [place, (path: string) => symlinkSync(place, path)]),
  ),
};

const noFile: Kind = (draw, place) => {
  const [target, what] = [pick(draw, targets), pick(draw, Object.keys(NO_FILES))];
  const { out, ...call } = laid(target, NO_FILES[what], place);
  return { what: `${what} as ${target.name}`, ...call, lost: leftIn(out) };
};

const policy = goldenPath("preferences", "policy");
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

const line: Kind = (draw) => {
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

/** Kinds by name; those of files by the file. */
export const inputs: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(targets.map((target) => [target.name, spoiled(target)])),
  "no file": noFile,
  "command line": line,
};
