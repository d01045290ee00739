import { DeviceError, InputError } from "../../../core/index.js";
import type { Asked, WebGpu } from "../platform.js";
import { page } from "./page.js";

/** How often a device is asked without a pause: an answer takes about a twentieth of a millisecond, and nobody spins meanwhile. */
const ASKED = 8;
/** Milliseconds between questions after that, at the least, as few as timers have; a long wait is asked about seldom: after half of it again. */
const PAUSE = 4;

/** Something that a browser answers at once, whatever the device computes, and sees what is done as it does so: Firefox with a submit alone. */
const ask = (device: Asked): Promise<unknown> => {
  device.queue.submit([]);
  device.pushErrorScope("validation");
  return device.popErrorScope().catch(() => {}); // a lost device is told elsewhere
};

const pause = (waited: number): Promise<void> => new Promise((then) => setTimeout(then, Math.max(PAUSE, waited / 2)));

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
  // A browser sees to its own promises; but Chromium looks every one or two milliseconds what is done, Firefox every hundred.
  patiently: async (promise, device) => {
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    const ended = promise.then(end, end);
    const from = performance.now();
    for (let n = 0; device !== undefined && !isDone; n++) {
      if (n >= ASKED) await Promise.race([ended, pause(performance.now() - from)]);
      if (!isDone) await Promise.race([ended, ask(device)]);
    }
    return promise;
  },
};
