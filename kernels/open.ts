import { type Device, InputError } from "../core/index.js";
import { type Bits, openCpu, wantedBits } from "./cpu/index.js";
import type { DoctorReport } from "./look.js";
import { openReference } from "./reference/index.js";
import { type AdapterReport, openWebgpu, type WebgpuOptions } from "./webgpu/index.js";

export type { Choice, DoctorReport } from "./look.js";

const NAMES = ["auto", "webgpu", "cpu", "reference"] as const;
/** A device by name. */
export type DeviceName = (typeof NAMES)[number];

/** How a device is opened. */
export interface OpenOptions extends WebgpuOptions {
  /** Told what a person should know: which device `auto` took and why, that an adapter is software, that it is tuned. Default: silent. */
  readonly notice?: (line: string) => void;
  /**
   * `portable`: the same bytes on every engine and processor, which no GPU promises. Default: as TAUGRAD_BITS says, else `native`.
   */
  readonly bits?: Bits;
  /** cpu: its threads, unless TAUGRAD_THREADS says how many. Default: as many as cores. */
  readonly threads?: number;
}

/** Every adapter, best first; an empty list where there is none. Errors: DeviceError if the native module does not load. */
export const describeAdapters = async (): Promise<AdapterReport[]> => (await import("./look.js")).describeAdapters();

/**
 * Looks at the machine: adapters, limits, features and what they are owed to, and what `auto` picks and why. Never throws for
 * lack of a GPU. Errors: InputError if TAUGRAD_WEBGPU names no mode, or TAUGRAD_BITS no bits.
 */
export const doctor = async (): Promise<DoctorReport> => (await import("./look.js")).doctor();

/**
 * Opens a device by name. `auto` is a hardware WebGPU adapter, else cpu; `webgpu` takes a software adapter too, and says so. An
 * adapter that is named is taken by both. Errors: InputError for another name, for an adapter where the device has none, and for
 * portable bits of a GPU;
 * DeviceError if there is no adapter for `webgpu`, or not the one that was named.
 * @example const other = await open("cpu"); await other.close()
 */
export const open = async (name: DeviceName, options: OpenOptions = {}): Promise<Device> => {
  const { notice = () => {}, adapter, threads } = options;
  const bits = wantedBits(options.bits);
  if (bits === "portable" && (name === "webgpu" || adapter !== undefined))
    throw new InputError(
      "portable bits were asked for, and what a GPU rounds is its driver's: use device cpu or reference",
    );
  if (adapter !== undefined && (name === "cpu" || name === "reference"))
    throw new InputError(`adapter ${adapter} was asked for, which is webgpu's; device ${name} has none`);
  switch (name) {
    case "reference":
      return openReference();
    case "cpu":
      return openCpu({ notice, bits, threads });
    case "webgpu":
      return openNoticed(options, notice);
    case "auto": {
      if (adapter !== undefined) return openNoticed(options, notice);
      const { autoChoice, PORTABLE } = await import("./look.js");
      const { device, why } = bits === "portable" ? PORTABLE : await autoChoice();
      notice(`device: ${device}, ${why}`);
      return device === "webgpu" ? openWebgpu(options) : openCpu({ notice, bits, threads });
    }
    default:
      throw new InputError(`device "${String(name)}" is not known: use one of ${NAMES.join(", ")}`);
  }
};

const openNoticed = async (options: OpenOptions, notice: (line: string) => void): Promise<Device> => {
  const device = await openWebgpu(options);
  if (device.description.includes("software adapter")) notice(`${device.description}: slow; meant for tests`);
  return device;
};
