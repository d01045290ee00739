import { DeviceError, InputError } from "../../../core/index.js";
import type { WebGpu } from "../platform.js";
import { page } from "./page.js";

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
  patiently: (promise) => promise, // the browser sees to its own promises
};
