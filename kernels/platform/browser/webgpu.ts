import { DeviceError, InputError } from "../../../core/index.js";
import type { WebGpu } from "../platform.js";
import { page } from "./page.js";

/** How often a device is asked while it is waited for: each answer takes about a twentieth of a millisecond, and nobody spins meanwhile. */
const ASKED = 16;

export const webgpu: WebGpu = {
  isInstalled: () => page.navigator?.gpu !== undefined,
  loadDawn: async () => {
    const gpu = page.navigator?.gpu;
    if (gpu === undefined)
      throw new DeviceError(
        "webgpu: this browser gives no navigator.gpu here",
        "take a browser with WebGPU and a secure page (https, or localhost), or device cpu",
      );
    return {
      // A browser turns no toggles: what is unlocked where it can be is done without, but not what was asked for by name.
      create: (flags) => {
        if (flags.some((flag) => flag.includes("disable_robustness")))
          throw new InputError(
            'webgpu: mode "fast" was asked for, and a browser checks addresses: use "full" or "plain"',
          );
        return gpu;
      },
    };
  },
  noAdapterHint: "turn hardware acceleration on in the browser's settings, or use device cpu",
  // A browser sees to its own promises; but Chromium looks only every one or two milliseconds what is done, unless it is asked something.
  patiently: async (promise, ask) => {
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    const ended = promise.then(end, end);
    for (let n = 0; ask !== undefined && n < ASKED && !isDone; n++) await Promise.race([ended, ask()]);
    return promise;
  },
};
