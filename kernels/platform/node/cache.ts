import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Cache } from "../platform.js";
import { engine } from "./engine.js";
import { homeFolder } from "./webgpu.js";

/** The user's folder for caches, as their system has it; undefined for a user without a home. */
const cacheFolder = (env = engine.env): string | undefined => {
  const [own, under] =
    process.platform === "win32"
      ? [env.LOCALAPPDATA, ["AppData", "Local"]]
      : process.platform === "darwin"
        ? [undefined, ["Library", "Caches"]]
        : [env.XDG_CACHE_HOME, [".cache"]];
  if (own) return join(own, "taugrad");
  const at = homeFolder();
  return at === "" ? undefined : join(at, ...under, "taugrad");
};

/** One by one: where nothing can be made (/proc), Node's own recursive way tries for ever. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
};

export const cache: Cache = {
  /** npm `webgpu`'s version, which is Dawn's. */
  compiler: () => {
    try {
      return (createRequire(import.meta.url)("webgpu/package.json") as { version: string }).version;
    } catch {
      return "unknown";
    }
  },
  place: (key, folder = cacheFolder()) => {
    const digest = createHash("sha256").update(key).digest("hex").slice(0, 16);
    return folder && join(folder, `webgpu-${digest}.json`);
  },
  read: (file) => {
    try {
      return { text: readFileSync(file, "utf8") };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === "ENOENT" || code === "ENOTDIR" ? {} : { problem: `${file} cannot be read (${code})` };
    }
  },
  write: (file, text) => {
    const temporary = `${file}.${process.pid}.tmp`;
    try {
      makeFolder(dirname(file));
      writeFileSync(temporary, text);
      renameSync(temporary, file);
      return undefined;
    } catch (error) {
      rmSync(temporary, { force: true });
      return `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`;
    }
  },
};
