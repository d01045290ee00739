import type { Engine } from "../platform.js";
import { page } from "./page.js";

const version = page.navigator?.userAgent ?? "unknown";
/** Chromium's is ten times that of its V8. */
const [, chromium] = version.match(/Chrome\/(\d+)/) ?? [];

export const engine: Engine = {
  env: {},
  platform: "browser",
  version,
  memory: () => (page.navigator?.deviceMemory ?? 4) * 2 ** 30,
  cores: () =>
    page.crossOriginIsolated === true && "grow" in SharedArrayBuffer.prototype
      ? (page.navigator?.hardwareConcurrency ?? 1)
      : 1,
  keepsOrder: Number(chromium) >= 130 || version.includes("Firefox/"),
  unlockRelaxedSimd: () => {}, // a page sets no flags: without it products round twice
};
