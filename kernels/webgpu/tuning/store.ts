import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { homeFolder } from "../adapter/machine.js";
import type { Mode } from "../adapter/modes.js";
import type { AdapterReport } from "../adapter/report.js";
import { LAYOUTS } from "../kernels/matmul/layouts.js";
import type { Rates } from "../kernels/matmul/rates.js";
import { TILES } from "../kernels/matmul/tiles.js";

/** Raised when kernels change so that former measurements say nothing any more. */
const SERIES = 1;

/** The user's folder for caches, as their system has it; undefined for a user without a home. */
const cacheFolder = (env = process.env): string | undefined => {
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

/** npm `webgpu`'s version, which is Dawn's. */
const dawnVersion = (): string => {
  try {
    return (createRequire(import.meta.url)("webgpu/package.json") as { version: string }).version;
  } catch {
    return "unknown";
  }
};

/**
 * Where rates of an adapter are kept: a file for each adapter, driver, version of Dawn, mode, and set of tiles. undefined where
 * the user has no folder for it.
 */
export const tuningFile = (report: AdapterReport, mode: Mode, folder = cacheFolder()): string | undefined => {
  const { name, vendor, architecture, device, description, features, subgroupMatrixConfigs } = report;
  const adapter = [name, vendor, architecture, device, description, features, subgroupMatrixConfigs];
  const key = JSON.stringify([SERIES, adapter, dawnVersion(), mode, TILES, LAYOUTS]);
  const digest = createHash("sha256").update(key).digest("hex").slice(0, 16);
  return folder && join(folder, `webgpu-${digest}.json`);
};

const isRates = (value: unknown): value is Rates =>
  typeof value === "object" &&
  value !== null &&
  Object.values(value).every(
    (own) =>
      typeof own === "object" &&
      own !== null &&
      Object.values(own).every((rate) => typeof rate === "number" && rate > 0 && rate <= 1),
  );

/** What is kept in a file: rates, or nothing; `damaged` says that it was there and could not be used. */
export const readTuning = (file: string): { readonly rates?: Rates; readonly damaged?: string } => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? {} : { damaged: `${file} cannot be read (${code})` };
  }
  try {
    const { rates } = JSON.parse(text) as { readonly rates?: unknown };
    if (isRates(rates)) return { rates };
  } catch {
    // told below, like whatever else it may hold
  }
  return { damaged: `${file} holds no rates of tiles` };
};

/** One by one: where nothing can be made (/proc), Node's own recursive way tries for ever. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
};

/** Keeps rates; a reader sees the file as it was or whole. Errors: a word about it, if it cannot be written. */
export const writeTuning = (file: string, adapter: string, rates: Rates): string | undefined => {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    makeFolder(dirname(file));
    writeFileSync(
      temporary,
      `${JSON.stringify({ adapter, measured: new Date().toISOString(), rates }, undefined, 2)}\n`,
    );
    renameSync(temporary, file);
    return undefined;
  } catch (error) {
    rmSync(temporary, { force: true });
    return `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
};
