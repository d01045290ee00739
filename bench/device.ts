import { type Device, evaluate, InputError, read, scalar, upload } from "../core/index.js";
import { open } from "../kernels/index.js";

/** The device that run.mjs asks this process to time: its first argument; cpu without one. */
export const benchDevice = async (): Promise<Device> => {
  const [, , name = "cpu"] = process.argv;
  if (name !== "cpu" && name !== "webgpu" && name !== "reference")
    throw new InputError(`device "${name}" is not timed: use cpu or webgpu`);
  return open(name);
};

/** Small sizes: this adapter runs on the CPU. */
export const isSoftware = ({ description }: Device): boolean => description.includes("software adapter");

/**
 * What waits until a device has done all it was given: reading one number is queued behind it, and costs far less than
 * reading a result.
 */
export const drainOf = (device: Device): (() => Promise<unknown>) => {
  const [marker] = evaluate([upload(scalar(0), device)], device);
  return () => read(marker);
};
