import type { Device } from "../core/index.js";
import type { DeviceName, OpenOptions } from "../kernels/index.js";
import type { Voice } from "./voice.js";

/**
 * Opens the device that was asked for, and closes it whatever happens. Its description is a note. `tune`: may an adapter that is
 * new here be timed first? Default: no.
 */
export const withDevice = async <T>(
  {
    device: name,
    adapter,
    tune,
    threads,
  }: { readonly device: DeviceName } & Pick<OpenOptions, "adapter" | "tune" | "threads">,
  out: Voice,
  work: (device: Device) => Promise<T>,
): Promise<T> => {
  const { open } = await import("../kernels/index.js");
  let told = false;
  const notice = (line: string): void => {
    told = true;
    out.note(line);
  };
  const device = await open(name, { notice, adapter, tune, threads });
  if (!told) out.note(`device: ${device.description}`);
  let result: T;
  try {
    result = await work(device);
  } catch (error) {
    // A device that broke may not close either; the first fault is the one to tell.
    await device.close().catch(() => {});
    throw error;
  }
  await device.close();
  return result;
};
