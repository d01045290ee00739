import { type Device, DeviceError, InputError } from "../core/index.js";
import { type Bits, madd, openCpu, wantedBits } from "./cpu/index.js";
import { engine } from "./platform/node/engine.js";
import { openReference } from "./reference/index.js";
import { nameOf } from "./webgpu/adapter/report.js";
import {
  type AdapterReport,
  alikeHints,
  describeAdapters,
  type Explained,
  explainAdapters,
  type Mode,
  missingGpu,
  modeOf,
  openWebgpu,
  type WebgpuOptions,
  whyNoAdapter,
} from "./webgpu/index.js";

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

/** What `auto` takes on this machine, and why. */
export interface Choice {
  readonly device: "webgpu" | "cpu";
  readonly why: string;
}

/** What this machine offers. */
export interface DoctorReport {
  readonly platform: string;
  /** Node's version, and what Bun and Deno are beside it; in a browser what it calls itself. */
  readonly node: string;
  /** How much of Dawn is unlocked: TAUGRAD_WEBGPU. */
  readonly mode: Mode;
  /** Best first; their places are the numbers that `adapter` takes. */
  readonly adapters: readonly Explained[];
  /** Why there are no adapters, where there are none. */
  readonly problem: string | undefined;
  /** What may be done about GPUs that are here and cannot be used. */
  readonly hints: readonly string[];
  readonly auto: Choice;
  /** How the cpu device rounds sums of products, here and as TAUGRAD_BITS says. */
  readonly bits: string;
}

/** What cpu's bits are, in words. */
const saidBits = (): string => {
  if (wantedBits() === "portable") return "portable: products are rounded before they are added (TAUGRAD_BITS)";
  const own = madd().roundsOnce
    ? "multiply-adds are rounded once, as this engine and processor do"
    : "this engine, or its processor, has no fused multiply-add: the same as portable";
  return `native: ${own}`;
};

/** What `auto` takes of these adapters; `hidden` says which GPU is not among them. */
export const choose = (
  adapters: readonly AdapterReport[],
  problem: string | undefined,
  hidden: string | undefined,
): Choice => {
  const hardware = adapters.find((adapter) => !adapter.software);
  if (hardware !== undefined) return { device: "webgpu", why: `a hardware adapter: ${nameOf(hardware)}` };
  const [software] = adapters;
  const why =
    software === undefined
      ? (problem ?? "no WebGPU adapter")
      : `the only WebGPU adapter is software, slower than cpu: ${nameOf(software)}${hidden === undefined ? "" : `; ${hidden}`}`;
  return { device: "cpu", why };
};

/** What `auto` takes where bits are to be portable. */
const PORTABLE: Choice = { device: "cpu", why: "portable bits were asked for, which no GPU promises" };

/** Adapters told by `look`, and what follows from them. Never throws for lack of a GPU. */
const lookAt = async <A extends AdapterReport>(look: () => Promise<readonly A[]>) => {
  let adapters: readonly A[] = [];
  let problem: string | undefined;
  try {
    adapters = await look();
    if (adapters.length === 0) problem = `no WebGPU adapter: ${whyNoAdapter()}`;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    problem = error.message.split("\n")[0];
  }
  const hidden = adapters.length === 0 ? undefined : missingGpu(adapters); // a problem says it already
  const hints = [...(hidden === undefined ? [] : [hidden]), ...alikeHints(adapters)];
  return { adapters, problem, hints, auto: choose(adapters, problem, hidden) };
};

/**
 * Looks at the machine: adapters, limits, features and what they are owed to, and what `auto` picks and why. Never throws for
 * lack of a GPU. Errors: InputError if TAUGRAD_WEBGPU names no mode, or TAUGRAD_BITS no bits.
 */
export const doctor = async (): Promise<DoctorReport> => {
  const [mode, bits] = [modeOf(), wantedBits()];
  const lookedAt = await lookAt(explainAdapters);
  return {
    ...{ platform: engine.platform, node: engine.version, mode },
    ...lookedAt,
    ...(bits === "portable" && { auto: PORTABLE }),
    bits: saidBits(),
  };
};

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
      const { auto } = bits === "portable" ? { auto: PORTABLE } : await lookAt(describeAdapters);
      notice(`device: ${auto.device}, ${auto.why}`);
      return auto.device === "webgpu" ? openWebgpu(options) : openCpu({ notice, bits, threads });
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
