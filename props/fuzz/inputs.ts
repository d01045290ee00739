/** What strangers hand in: spoiled files, things that are no files, and command lines. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { dataFiles } from "../../align/data/files/splits.js";
import { parseArguments } from "../../cli/arguments.js";
import { resolveValues } from "../../cli/config.js";
import { type CommandName, optionsOf } from "../../cli/options.js";
import { goldenPath } from "../golden/files.js";
import type { Kind, Took } from "./attempt.js";
import { type Draw, mutant, pick } from "./mutate.js";
import { targets } from "./targets/all.js";
import { dpo, laid, policy, type Target } from "./targets/target.js";

/** A call that was refused leaves no model behind. */
const leftIn =
  (out: string) =>
  async ({ code }: Took): Promise<string | undefined> =>
    code !== 0 &&
    (existsSync(`${out}.gguf`) || (existsSync(out) && readdirSync(out).some((name) => name.endsWith(".safetensors"))))
      ? "half an output"
      : undefined;

const spoiled =
  (target: Target): Kind =>
  (draw, place) => {
    const { name, bytes } = mutant(target.whole, target.kind, draw);
    const { out, path: _, ...call } = laid(target, (path) => writeFileSync(path, bytes), place);
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
  const { out, path: _, ...call } = laid(target, NO_FILES[what], place);
  return { what: `${what} as ${target.name}`, ...call, lost: leftIn(out) };
};

/** A file that loses its end while it is read. */
const shrinking: Kind = (draw, place) => {
  const target = pick(draw, targets);
  const { out, path, ...call } = laid(target, (path) => writeFileSync(path, target.whole), place);
  const [after, share] = [draw(1200), draw(8) / 8];
  const during = (): void => {
    setTimeout(() => existsSync(path) && truncateSync(path, Math.floor(share * target.whole.length)), after);
  };
  return { what: `${target.name}, ${share} of it left after ${after} ms`, ...call, meets: { during } };
};

/** Names that show as something else, lead elsewhere, or are longer than any. */
const NAMES = [
  ...[
    "\u001b[2J\u001b[31mred",
    "a\nb",
    "a\rb",
    "\u202egpj.exe",
    "\u2066a\u2069",
    "\u200b",
    "\ufeff",
    "%00",
    "%s%n",
    "é",
    "e\u0301",
  ],
  ...[
    "-rf",
    "--help",
    "~",
    "$HOME",
    "`id`",
    "a b",
    "<img src=x>",
    "__proto__",
    "con",
    ".",
    "..",
    ".hidden",
    "x".repeat(255),
  ],
  ...["x".repeat(256), `${"y".repeat(200)}/`.repeat(30), "a/../".repeat(2000), "\ud800", "|id", "a.jsonl\t"],
];
const named: Kind = (draw, place) => {
  const [target, name] = [pick(draw, targets), pick(draw, NAMES)];
  const inner = join(place, name);
  try {
    mkdirSync(inner, { recursive: true });
  } catch {
    mkdirSync(join(place, "short"));
  }
  const home = existsSync(inner) ? inner : join(place, "short");
  const { out, path, ...call } = laid(
    target,
    (path) => writeFileSync(path, target.whole),
    join(mkdtempSync(join(home, "in"))),
  );
  // What is not there is refused by that name.
  const args = existsSync(inner) ? call.args : call.args.map((arg) => (arg.startsWith(home) ? `${inner}/${arg}` : arg));
  return { what: `${target.name} in ${JSON.stringify(name).slice(0, 60)}`, ...call, args, lost: leftIn(out) };
};

/** Folders of rows that are none, or have no end. */
const FOLDERS: Readonly<Record<string, (folder: string, draw: Draw) => void>> = {
  many: (folder, draw) => {
    for (let i = 0; i < 2 ** (4 + draw(11)); i++) writeFileSync(join(folder, `rows-${i}.jsonl`), "");
  },
  deep: (folder, draw) => mkdirSync(join(folder, "d/".repeat(2 ** (3 + draw(8)))), { recursive: true }),
  loop: (folder) => symlinkSync(folder, join(folder, "again")),
  loops: (folder, draw) => {
    for (let i = 0; i < 2 + draw(30); i++) symlinkSync("..", join(folder, `up-${i}`));
    mkdirSync(join(folder, "below"));
    for (let i = 0; i < 2 + draw(30); i++) symlinkSync("..", join(folder, "below", `up-${i}`));
  },
  root: (folder) => symlinkSync("/", join(folder, "root")),
  processes: (folder) => symlinkSync("/proc", join(folder, "proc")),
  chain: (folder, draw) => {
    for (let i = 0; i < 2 ** draw(8); i++) symlinkSync(`link-${i + 1}`, join(folder, `link-${i}`));
  },
  pipe: (folder) => NO_FILES.pipe(join(folder, "rows.jsonl")),
  shut: (folder) => {
    mkdirSync(join(folder, "shut"));
    chmodSync(join(folder, "shut"), 0);
  },
};
const folder: Kind = (draw, place) => {
  const name = pick(draw, Object.keys(FOLDERS));
  const rows = join(place, "rows");
  mkdirSync(rows);
  FOLDERS[name](rows, draw);
  if (draw(2) === 0)
    writeFileSync(join(rows, "train.jsonl"), `${JSON.stringify({ prompt: "a", chosen: "b", rejected: "c" })}\n`);
  const out = join(place, "out");
  return { what: name, args: [...dpo(rows, out), "--dry_run"], gate: () => dataFiles(rows), lost: leftIn(out) };
};

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
  name: named,
  folder,
  shrinking,
};
