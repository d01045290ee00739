/** What strangers hand in: spoiled files, things that are no files, and command lines. */
import { existsSync, truncateSync, writeFileSync } from "node:fs";
import type { Kind } from "./attempt.js";
import { line } from "./lines.js";
import { mutant, pick } from "./mutate.js";
import { folder, named, noFile } from "./places.js";
import { targets } from "./targets/all.js";
import { laid, type Target } from "./targets/target.js";

const spoiled =
  (target: Target): Kind =>
  (draw, place) => {
    const { name, bytes } = mutant(target.whole, target.kind, draw);
    const { path: _, ...call } = laid(target, (path) => writeFileSync(path, bytes), place);
    return { what: `${target.name}, ${name}`, ...call };
  };

/** A file that loses its end while it is read. */
const shrinking: Kind = (draw, place) => {
  const target = pick(draw, targets);
  const { path, ...call } = laid(target, (path) => writeFileSync(path, target.whole), place);
  const [after, share] = [draw(1200), draw(8) / 8];
  const during = (): void => {
    setTimeout(() => existsSync(path) && truncateSync(path, Math.floor(share * target.whole.length)), after);
  };
  return { what: `${target.name}, ${share} of it left after ${after} ms`, ...call, meets: { during } };
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
