import type { Device } from "../../core/index.js";

/**
 * The oracle: f64, one op after another, straight from the definitions in core. It knows no planner and no kernel, so that
 * it shares nothing with what it judges. Errors, of its calls: DeviceError once it is closed.
 */
export const openReference = async (): Promise<Device> => (await import("./device.js")).openReference();
