import type { Device } from "../core/index.js";
import { open } from "../kernels/index.js";

/** The devices worth timing: cpu, and webgpu where there is an adapter. */
export const fastDevices = async (): Promise<Device[]> => {
  const webgpu = await open("webgpu").catch(() => undefined);
  return [await open("cpu"), ...(webgpu === undefined ? [] : [webgpu])];
};
