import type { Device } from "../core/index.js";
import { openReference } from "../kernels/reference/index.js";

/** A device that laws over whole models run on, and how close it must come to the reference values. */
export interface ModelDevice {
  readonly name: string;
  readonly open: () => Promise<Device>;
}

/** The devices that whole models are tried on. */
export const modelDevices: readonly ModelDevice[] = [{ name: "reference", open: openReference }];
