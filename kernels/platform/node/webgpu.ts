import { homedir } from "node:os";
import { setImmediate } from "node:timers";
import { DeviceError } from "../../../core/index.js";
import type { WebGpu } from "../platform.js";
import { engine } from "./engine.js";

const isInstalled = (): boolean => {
  try {
    import.meta.resolve("webgpu");
    return true;
  } catch {
    return false;
  }
};

/** The user's home; empty where the system knows none: no HOME, and no entry for the user. */
export const homeFolder = (): string => {
  try {
    return homedir();
  } catch {
    return "";
  }
};

const sleeper = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let since = 0;
let turning = false; // one chain of turns, however many wait

/** One turn of the event loop a call: spins for a millisecond, then sleeps between turns. */
const turn = (): void => {
  turning = waiting > 0;
  if (!turning) return;
  if (performance.now() - since > 1) Atomics.wait(sleeper, 0, 0, 0.25);
  setImmediate(turn);
};

export const webgpu: WebGpu = {
  isInstalled,
  // An optional peer of 130 MB, loaded only when asked for.
  loadDawn: async () => {
    if (process.versions.bun !== undefined)
      throw new DeviceError(
        "webgpu: under Bun, Dawn's native module ends the process as soon as it is at work (tried with Bun 1.4)",
        "run it in Node or Deno, or use --device cpu",
      );
    try {
      return await import("webgpu");
    } catch (error) {
      if (!isInstalled())
        throw new DeviceError(
          "webgpu: the package that holds Dawn (130 MB) is not installed: npm install webgpu",
          "or use --device cpu",
        );
      const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
      throw new DeviceError(
        `webgpu: Dawn's native module does not load on ${engine.platform}: ${why}`,
        "reinstall it (npm install webgpu), or use --device cpu",
      );
    }
  },
  noAdapterHint: "install a Vulkan driver (NVIDIA, or Mesa 24 and later: mesa-vulkan-drivers), or use --device cpu",
  // Dawn's promises are resolved from the event loop, which dawn.node spins for that; a short sleep between turns leaves the
  // cores to the work that is awaited (a software adapter, the shader compiler).
  patiently: async (promise) => {
    since = performance.now();
    waiting++;
    if (!turning) setImmediate(turn);
    turning = true;
    try {
      return await promise;
    } finally {
      waiting--;
    }
  },
};
