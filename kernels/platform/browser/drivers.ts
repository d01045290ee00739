import type { Drivers } from "../platform.js";

/** A page cannot look. */
export const drivers: Drivers = {
  problem: () => undefined,
  hiddenGpu: () => undefined,
  whyNoAdapter: () => "no usable GPU driver was found",
};
