import { asks } from "../../core/expects.js";
import type { Device, Planner } from "../../core/index.js";
import type { AdapterReport } from "./adapter/report.js";
import type { WebgpuOptions } from "./options.js";
import type { ProfileName } from "./profile-names.js";
import type { Tuning } from "./tuning/options.js";

export { PURPOSES } from "./adapter/purposes.js";
export type { AdapterReport } from "./adapter/report.js";
export type { Explained } from "./adapter/unlocked.js";
export type { WebgpuOptions } from "./options.js";
export { PROFILE_NAMES, type ProfileName } from "./profile-names.js";
export type { Tune, Tuning } from "./tuning/options.js";

// What knows kernels is loaded when an adapter is there that they are for: who opens another device need not wait for an engine to
// read them. Doors are few: each one more is one more file that the others wait for, of what they share with it.

/**
 * Opens a WebGPU adapter of this machine. Errors: DeviceError if there is none, or not the one that was asked for; InputError
 * if TAUGRAD_WEBGPU names no mode.
 */
export const openWebgpu = async (options: WebgpuOptions = {}): Promise<Device> =>
  (await import("./open.js")).openWebgpu(options);

/**
 * Times the tiles of matrix products on an adapter, which takes seconds, and keeps what it finds in the user's cache folder, where
 * devices that are opened later look. undefined for an adapter that runs on the CPU: its kernels have no tiles to choose among.
 * Errors: as `openWebgpu`.
 */
export const tuneWebgpu = async (options: WebgpuOptions = {}): Promise<Tuning | undefined> => {
  let found: Tuning | undefined;
  const tuned = (tuning: Tuning) => {
    found = tuning;
  };
  const device = await openWebgpu({ tune: "again", ...options, tuned });
  await device.close();
  return found;
};

/** Plans as an adapter of that kind would. */
export const plannerFor = async (name: ProfileName): Promise<Planner> =>
  (await import("./planners.js")).plannerFor(name);

/** Plans as the adapter of a report would. */
export const plannerOfReport = asks(
  "plannerOfReport",
  "record",
  async (report: AdapterReport): Promise<Planner> => (await import("./planners.js")).plannerOfReport(report),
);
