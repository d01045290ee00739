import { cache } from "../../platform/node/cache.js";
import type { Mode } from "../adapter/modes.js";
import type { AdapterReport } from "../adapter/report.js";
import { LAYOUTS } from "../kernels/matmul/layouts.js";
import type { Rates } from "../kernels/matmul/rates.js";
import { TILES } from "../kernels/matmul/tiles.js";

/** Raised when kernels change so that former measurements say nothing any more. */
const SERIES = 1;

/**
 * Where rates of an adapter are kept: a place for each adapter, driver, version of Dawn, mode, and set of tiles. undefined where
 * the user has no folder for it.
 */
export const tuningFile = (report: AdapterReport, mode: Mode, folder?: string): string | undefined => {
  const { name, vendor, architecture, device, description, features, subgroupMatrixConfigs } = report;
  const adapter = [name, vendor, architecture, device, description, features, subgroupMatrixConfigs];
  return cache.place(JSON.stringify([SERIES, adapter, cache.compiler(), mode, TILES, LAYOUTS]), folder);
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

/** What is kept in a place: rates, or nothing; `damaged` says that it was there and could not be used. */
export const readTuning = (file: string): { readonly rates?: Rates; readonly damaged?: string } => {
  const { text, problem } = cache.read(file);
  if (text === undefined) return problem === undefined ? {} : { damaged: problem };
  try {
    const { rates } = JSON.parse(text) as { readonly rates?: unknown };
    if (isRates(rates)) return { rates };
  } catch {
    // told below, like whatever else it may hold
  }
  return { damaged: `${file} holds no rates of tiles` };
};

/** Keeps rates. Errors: a word about it, if they cannot be written. */
export const writeTuning = (file: string, adapter: string, rates: Rates): string | undefined =>
  cache.write(file, `${JSON.stringify({ adapter, measured: new Date().toISOString(), rates }, undefined, 2)}\n`);
