import type { Device } from "../core/index.js";
import { oracle } from "../testing/close.js";

export * from "../testing/close.js";

/** The oracle, beside whatever device a law runs on. */
export const reference: Device = await oracle();
