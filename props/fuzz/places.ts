/** Things that are no files, names that show as something else, and folders without end. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dataFiles } from "../../align/data/files/splits.js";
import type { Kind } from "./attempt.js";
import { type Draw, pick } from "./mutate.js";
import { targets } from "./targets/all.js";
import { dpo, laid, leftIn } from "./targets/target.js";

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

export const noFile: Kind = (draw, place) => {
  const [target, what] = [pick(draw, targets), pick(draw, Object.keys(NO_FILES))];
  const { path: _, ...call } = laid(target, NO_FILES[what], place);
  return { what: `${what} as ${target.name}`, ...call };
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

export const named: Kind = (draw, place) => {
  const [target, name] = [pick(draw, targets), pick(draw, NAMES)];
  const inner = join(place, name);
  try {
    mkdirSync(inner, { recursive: true });
  } catch {
    mkdirSync(join(place, "short"));
  }
  const home = existsSync(inner) ? inner : join(place, "short");
  const { path: _, ...call } = laid(
    target,
    (path) => writeFileSync(path, target.whole),
    join(mkdtempSync(join(home, "in"))),
  );
  // What is not there is refused by that name.
  const args = existsSync(inner) ? call.args : call.args.map((arg) => (arg.startsWith(home) ? `${inner}/${arg}` : arg));
  return { what: `${target.name} in ${JSON.stringify(name).slice(0, 60)}`, ...call, args };
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

export const folder: Kind = (draw, place) => {
  const name = pick(draw, Object.keys(FOLDERS));
  const rows = join(place, "rows");
  mkdirSync(rows);
  FOLDERS[name](rows, draw);
  if (draw(2) === 0)
    writeFileSync(join(rows, "train.jsonl"), `${JSON.stringify({ prompt: "a", chosen: "b", rejected: "c" })}\n`);
  const out = join(place, "out");
  return { what: name, args: [...dpo(rows, out), "--dry_run"], gate: () => dataFiles(rows), lost: leftIn(out) };
};
