import assert from "node:assert/strict";
import { after } from "node:test";
import type { Device } from "../core/index.js";
import type { CpuOptions } from "../kernels/cpu/device.js";
import { open, openCpu } from "../kernels/index.js";

export type DeviceName = Device["name"];

/** Every device that laws run on. */
export const deviceNames: readonly DeviceName[] = ["reference", "cpu", "webgpu"];

/** 4 GiB on every engine. TAUGRAD_CPU_MEMORY=memory64 runs all laws of the cpu device with 64-bit addresses (Node ≥ 24). */
const cpuOptions = {
  memory: process.env.TAUGRAD_CPU_MEMORY ?? "wasm32",
  limits: { memory64: 2 ** 32 - 65536 },
} as CpuOptions;

const opened = new Map<DeviceName, Promise<Device>>();

/** The device of this test process; opened once, closed after the last test. */
export const device = (name: DeviceName): Promise<Device> => {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const promise = name === "cpu" ? openCpu(cpuOptions) : open(name);
  opened.set(name, promise);
  return promise;
};

after(async () => {
  for (const promise of opened.values()) await promise.then((d) => d.close()).catch(() => {});
});

/** Is there an adapter to run WebGPU laws on? `npm test` and CI demand one (TAUGRAD_WEBGPU=required, or required,plain). */
const webgpuIsHere = async (): Promise<boolean> => {
  if (process.env.TAUGRAD_WEBGPU?.includes("required")) return true;
  return device("webgpu").then(
    () => true,
    () => false,
  );
};

/** Devices at hand; prints a line when WebGPU laws cannot run. */
export const presentDevices = async (): Promise<DeviceName[]> => {
  if (await webgpuIsHere()) return [...deviceNames];
  console.log("no WebGPU adapter: the WebGPU laws of this file do not run (npm test brings a software adapter)");
  return deviceNames.filter((name) => name !== "webgpu");
};

/** What f resolves to; it must leave as many buffers on the device as it found, since laws share it. */
export const leavesNothing = async <T>(device: Device, f: () => Promise<T>): Promise<T> => {
  const before = device.stats().liveBuffers;
  const result = await f();
  assert.equal(device.stats().liveBuffers, before, "buffers that nobody freed");
  return result;
};
