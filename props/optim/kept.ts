import type { Device } from "../../core/index.js";
import type { Optimizer } from "../../optim/index.js";
import { type Run, type Walker, walkerOf } from "../../testing/runs.js";

const walkers = new WeakMap<Optimizer, Map<Device, Walker>>();

/** `path` for optimizers that a law walks case by case: each is traced and planned once a device, which takes most of the time. */
export const walked = (optimizer: Optimizer, run: Run, device: Device): ReturnType<Walker["walk"]> => {
  const known = walkers.get(optimizer) ?? new Map<Device, Walker>();
  walkers.set(optimizer, known);
  const walker = known.get(device) ?? walkerOf(optimizer, device);
  known.set(device, walker);
  return walker.walk(run);
};
