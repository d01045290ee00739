/** A WebGPU device that goes away when it is told to. */
import type { Device } from "../../../core/index.js";
import { openWebgpu } from "../../../kernels/index.js";

/** The device, and what takes it away, as a driver's reset does. */
export const openLosable = async (): Promise<{ readonly device: Device; readonly lose: () => void }> => {
  const { globals } = await import("webgpu");
  const { prototype } = (globals as unknown as { readonly GPUAdapter: { readonly prototype: GPUAdapter } }).GPUAdapter;
  const { requestDevice } = prototype;
  const made: GPUDevice[] = [];
  prototype.requestDevice = async function (...given) {
    const own = await requestDevice.apply(this, given);
    made.push(own);
    return own;
  };
  try {
    const device = await openWebgpu();
    return { device, lose: () => made[made.length - 1].destroy() };
  } finally {
    prototype.requestDevice = requestDevice;
  }
};
