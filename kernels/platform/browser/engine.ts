import type { Engine } from "../platform.js";
import { page } from "./page.js";

export const engine: Engine = {
  env: {},
  platform: "browser",
  version: page.navigator?.userAgent ?? "unknown",
  memory: () => (page.navigator?.deviceMemory ?? 4) * 2 ** 30,
  cores: () =>
    page.crossOriginIsolated === true && "grow" in SharedArrayBuffer.prototype
      ? (page.navigator?.hardwareConcurrency ?? 1)
      : 1,
  unlockRelaxedSimd: () => {}, // a page sets no flags: without it products round twice
};
