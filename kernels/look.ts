import { DeviceError } from "../core/index.js";
import { wantedBits } from "./cpu/index.js";
import { drivers } from "./platform/node/drivers.js";
import { engine } from "./platform/node/engine.js";
import { alikeHints, describeAdapters, explainAdapters, missingGpu } from "./webgpu/adapter/describe.js";
import { type Mode, modeOf } from "./webgpu/adapter/modes.js";
import { type AdapterReport, nameOf } from "./webgpu/adapter/report.js";
import type { Explained } from "./webgpu/adapter/unlocked.js";
import { profileOf } from "./webgpu/profiles.js";

export { describeAdapters };

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
const saidBits = async (): Promise<string> => {
  if (wantedBits() === "portable") return "portable: products are rounded before they are added (TAUGRAD_BITS)";
  const { roundsOnce } = await import("./cpu/device.js");
  try {
    const own = roundsOnce()
      ? "multiply-adds are rounded once, as this engine and processor do"
      : "this engine, or its processor, has no fused multiply-add: the same as portable";
    return `native: ${own}`;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return `none: ${error.message.split("\n")[0]}`;
  }
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
export const PORTABLE: Choice = { device: "cpu", why: "portable bits were asked for, which no GPU promises" };

/** Adapters told by `look`, and what follows from them. Never throws for lack of a GPU. */
const lookAt = async <A extends AdapterReport>(look: () => Promise<readonly A[]>) => {
  let adapters: readonly A[] = [];
  let problem: string | undefined;
  try {
    adapters = await look();
    if (adapters.length === 0) problem = `no WebGPU adapter: ${drivers.whyNoAdapter()}`;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    problem = error.message.split("\n")[0];
  }
  const hidden = adapters.length === 0 ? undefined : missingGpu(adapters); // a problem says it already
  const hints = [...(hidden === undefined ? [] : [hidden]), ...alikeHints(adapters)];
  return { adapters, problem, hints, auto: choose(adapters, problem, hidden) };
};

/** See open.ts. */
export const doctor = async (): Promise<DoctorReport> => {
  const [mode, bits] = [modeOf(), wantedBits()];
  const { unitsOf } = await import("./webgpu/engines/units.js");
  const lookedAt = await lookAt(() => explainAdapters((report) => unitsOf(profileOf(report)) !== undefined));
  return {
    ...{ platform: engine.platform, node: engine.version, mode },
    ...lookedAt,
    ...(bits === "portable" && { auto: PORTABLE }),
    bits: await saidBits(),
  };
};

/** What `auto` takes here. */
export const autoChoice = async (): Promise<Choice> => (await lookAt(describeAdapters)).auto;
