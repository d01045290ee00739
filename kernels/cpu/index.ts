import type { Device } from "../../core/index.js";
import type { CpuOptions } from "./device.js";

export type { CpuOptions } from "./device.js";
export { type Bits, wantedBits } from "./wasm/bits.js";

/**
 * The processor, by WebAssembly SIMD that is written while a program is built. As many threads as cores, or as
 * TAUGRAD_THREADS says; results do not depend on their number, nor on the kind of memory. With `bits: "portable"` they do not
 * depend on engine and processor either.
 *
 * Memory begins with 32-bit addresses. When their 4 GiB are full it moves, where the engine can (Node ≥ 24), into one with
 * 64-bit addresses, whose kernels are up to a third slower; for a moment there are both. `memory: "memory64"` begins there, and never moves.
 * Errors: InputError for other bits; DeviceError where nothing may be compiled (a page's policy, node --jitless); OutOfMemoryError where `limits` end; its hint tells if a newer engine goes further.
 */
export const openCpu = async (options: CpuOptions = {}): Promise<Device> =>
  // What writes kernels is loaded with the first device: who opens another one need not wait for it.
  (await import("./device.js")).openCpu(options);
