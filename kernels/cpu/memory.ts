import { DeviceError } from "../../core/index.js";
import { engine } from "../platform/node/engine.js";
import { type Addressing, createMemory, MAX_PAGES, type Memory, PAGE } from "./wasm/host.js";

/** Kinds of WebAssembly memory, by the names of the proposals: addresses of 32 bits, or of 64, which are slower. */
export type MemoryKind = "wasm32" | "memory64";

/** A memory of a few pages that can grow. Errors: DeviceError if the system refuses its addresses. */
export const reserve = (addressing: Addressing & { readonly pages: number }): Memory => {
  const { pages, isWide } = addressing;
  try {
    return createMemory(Math.min(16, pages), addressing);
  } catch {
    const size = isWide ? pages / 2 ** 14 : 10;
    throw new DeviceError(
      `cpu: the system refuses the addresses of a WebAssembly memory (about ${Math.ceil(size)} GiB reserved, not used)`,
      "raise the limit on virtual memory (ulimit -v)",
    );
  }
};

/** Bytes that a device can give out in memory of each kind; 0 where the engine lacks it. */
export type Limits = Readonly<Record<MemoryKind, number>>;

const REMEDY = "Node 24 or later: this engine's WebAssembly ends at 4 GiB";

interface EngineLimits {
  readonly limits: Limits;
  /** What would reach further on this machine. */
  readonly remedy: string | undefined;
}

const accepts = (pages: number): boolean => {
  try {
    createMemory(0, { pages, isWide: true });
    return true;
  } catch {
    return false; // more than the engine allows, or not known to it at all
  }
};

const measure = (): EngineLimits => {
  // The last page stays unused, so that no address just past a block wraps around.
  const wasm32 = (MAX_PAGES - 1) * PAGE;
  const wanted = Math.floor((0.9 * engine.memory()) / PAGE); // not all of it is this process's
  const isWorthIt = wanted > MAX_PAGES;
  if (!accepts(1)) return { limits: { wasm32, memory64: 0 }, remedy: isWorthIt ? REMEDY : undefined };
  // Engines have limits of their own, which nothing tells: V8's are 16 GiB.
  const powers = Array.from({ length: 16 }, (_, i) => MAX_PAGES * 2 ** (15 - i)).filter((pages) => pages < wanted);
  const pages = isWorthIt ? ([wanted, ...powers].find(accepts) ?? 0) : 0;
  return { limits: { wasm32, memory64: pages * PAGE }, remedy: undefined };
};

let measured: EngineLimits | undefined;
/** What this engine's memories reach on this machine, asked once. */
export const engineLimits = (): EngineLimits => {
  measured ??= measure();
  return measured;
};
