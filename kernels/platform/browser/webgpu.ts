import { DeviceError, InputError } from "../../../core/index.js";
import type { WebGpu } from "../platform.js";
import { page } from "./page.js";

/** Milliseconds until a device is looked at first, and until it is not any more; each wait is half as long again as the one before. */
const [FIRST, LAST, LONGER] = [0.05, 4, 1.5];

/** Gives turns of the page's loop; timers would make each one of milliseconds. */
const createTurns = (): (() => Promise<void>) | undefined => {
  if (page.MessageChannel === undefined) return undefined;
  const { port1, port2 } = new page.MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((then) => {
      waiting.push(then);
      port2.postMessage(null);
    });
};
let turns: ReturnType<typeof createTurns>;

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
  // A browser sees to its own promises; but Chromium looks only every one or two milliseconds, unless it is told something meanwhile.
  patiently: async (promise, look) => {
    turns ??= look && createTurns();
    let isDone = look === undefined || turns === undefined;
    const end = () => {
      isDone = true;
    };
    promise.then(end, end);
    const from = performance.now();
    for (let next = FIRST; !isDone && next < LAST; await turns?.()) {
      if (performance.now() - from < next) continue;
      look?.();
      next *= LONGER;
    }
    return promise;
  },
};
