import { type Device, DeviceError, InputError } from "../core/index.js";
import { openCpu } from "./cpu/index.js";
import { openReference } from "./reference/index.js";
import { nameOf } from "./webgpu/adapter-report.js";
import { type AdapterReport, describeAdapters, openWebgpu, type WebgpuOptions, whyNoAdapter } from "./webgpu/index.js";

const NAMES = ["auto", "webgpu", "cpu", "reference"] as const;
export type DeviceName = (typeof NAMES)[number];

export interface OpenOptions extends WebgpuOptions {
  /** Told what a person should know: which device `auto` took and why, that an adapter is software. Default: silent. */
  readonly notice?: (line: string) => void;
}

/** What `auto` takes on this machine, and why. */
export interface Choice {
  readonly device: "webgpu" | "cpu";
  readonly why: string;
}

/** What this machine offers. */
export interface DoctorReport {
  readonly platform: string;
  readonly node: string;
  /** Best first. */
  readonly adapters: readonly AdapterReport[];
  /** Why there are no adapters, where there are none. */
  readonly problem: string | undefined;
  readonly auto: Choice;
}

const choose = (adapters: readonly AdapterReport[], problem: string | undefined): Choice => {
  const hardware = adapters.find((adapter) => !adapter.software);
  if (hardware !== undefined) return { device: "webgpu", why: `a hardware adapter: ${nameOf(hardware)}` };
  const [software] = adapters;
  if (software !== undefined)
    return { device: "cpu", why: `the only WebGPU adapter is software, slower than cpu: ${nameOf(software)}` };
  return { device: "cpu", why: problem ?? "no WebGPU adapter" };
};

/** Looks at the machine: adapters, limits, features, and what `auto` picks and why. Never throws for lack of a GPU. */
export const doctor = async (): Promise<DoctorReport> => {
  let adapters: readonly AdapterReport[] = [];
  let problem: string | undefined;
  try {
    adapters = await describeAdapters();
    if (adapters.length === 0) problem = `no WebGPU adapter: ${whyNoAdapter()}`;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    problem = error.message.split("\n")[0];
  }
  const auto = choose(adapters, problem);
  return { platform: `${process.platform}-${process.arch}`, node: process.version, adapters, problem, auto };
};

/**
 * Opens a device by name. `auto` is a hardware WebGPU adapter, else cpu; `webgpu` takes a software adapter too, and says
 * so. Errors: InputError for another name; DeviceError if there is no adapter for `webgpu`.
 */
export const open = async (name: DeviceName, options: OpenOptions = {}): Promise<Device> => {
  const { notice = () => {} } = options;
  switch (name) {
    case "reference":
      return openReference();
    case "cpu":
      return openCpu({ notice });
    case "webgpu": {
      const device = await openWebgpu(options);
      if (device.description.includes("software adapter")) notice(`${device.description}: slow; meant for tests`);
      return device;
    }
    case "auto": {
      const { auto } = await doctor();
      notice(`device: ${auto.device}, ${auto.why}`);
      return auto.device === "webgpu" ? openWebgpu(options) : openCpu({ notice });
    }
    default:
      throw new InputError(`device "${String(name)}" is not known: use one of ${NAMES.join(", ")}`);
  }
};
