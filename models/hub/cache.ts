import { existsSync, readdirSync } from "node:fs";
import { readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileExists, folderExists, isObject, readJsonObject, readText } from "../files/json.js";
import { makeFolder } from "../files/writing/make-folder.js";
import { process } from "../platform/node/globals.js";
import { type HubName, repoFolder } from "./name.js";
import type { HubSettings } from "./settings.js";
import { type Purpose, wantedOf } from "./wanted.js";

/**
 * One repository in the cache of huggingface_hub: blobs/ holds contents by their hash, snapshots/COMMIT/ the files of a commit
 * as links to them, refs/ the commit of each branch and tag.
 */
export const cachedRepo = ({ cache }: Pick<HubSettings, "cache">, name: HubName) => {
  const folder = join(cache, repoFolder(name));
  const ref = join(folder, "refs", ...name.revision.split("/"));
  const snapshot = (commit: string): string => join(folder, "snapshots", commit);
  return {
    blob: (hash: string): string => join(folder, "blobs", hash),
    snapshot,
    /** The commit that the revision was last seen at. */
    commit: (): string | undefined => {
      if (/^[0-9a-f]{40}$/.test(name.revision)) return name.revision;
      const commit = fileExists(ref) ? readText(ref).trim() : "";
      return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
    },
    remember: async (commit: string): Promise<void> => {
      if (name.revision === commit) return;
      makeFolder(dirname(ref));
      const temporary = `${ref}.${process.pid}.tmp`;
      await writeFile(temporary, commit);
      await rename(temporary, ref);
    },
    /** Makes a content a file of a commit. Where links are not allowed, the content itself moves there. */
    link: async (blob: string, commit: string, path: string): Promise<void> => {
      const place = join(snapshot(commit), ...path.split("/"));
      const target = relative(dirname(place), blob);
      if ((await readlink(place).catch(() => undefined)) === target && existsSync(place)) return;
      makeFolder(dirname(place));
      await rm(place, { force: true });
      await symlink(target, place, "file").catch(() => rename(blob, place));
    },
  };
};

const filesBelow = (folder: string, inside = ""): string[] =>
  readdirSync(join(folder, inside), { withFileTypes: true }).flatMap((entry) => {
    const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
    if (entry.isDirectory()) return filesBelow(folder, path);
    return existsSync(join(folder, path)) ? [path] : []; // a link to nothing is no file
  });

/** Does a snapshot hold all that a purpose takes, as far as it can tell by itself? */
export const isWhole = (snapshot: string, purpose: Purpose): boolean => {
  if (!folderExists(snapshot)) return false;
  const listed = filesBelow(snapshot).map((path) => ({ path, size: 0 }));
  try {
    const wanted = wantedOf(purpose, listed, snapshot);
    const index = wanted.find((path) => path.endsWith(".index.json"));
    if (index === undefined) return true;
    const { weight_map: map } = readJsonObject(join(snapshot, index));
    return isObject(map) && Object.values(map).every((file) => typeof file === "string" && wanted.includes(file));
  } catch {
    return false;
  }
};
