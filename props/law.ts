import { test } from "node:test";
import type fc from "fast-check";
import type { Device } from "../core/index.js";
import { holds } from "../testing/law.js";
import { type DeviceName, device, presentDevices } from "./devices.js";
import { tries } from "./reach.js";

/** Random cases a device gets: compiling a shader for each graph is slow on software adapters. */
const RUNS: Readonly<Record<DeviceName, number>> = { reference: 25, cpu: 25, webgpu: 5 };

export interface LawOptions {
  /** Share of the usual number of cases. */
  readonly effort?: number;
  /** Devices that the law speaks of; all by default. */
  readonly on?: readonly DeviceName[];
}

const present = await presentDevices();

/**
 * A law, tried on random cases on each device: `law("name", arbitrary, async (value, device) => …)`. The body throws (assert)
 * when the law fails. FC_SEED replays; fast-check prints seed and path with the shrunken counterexample.
 */
export const law = <T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  body: (value: T, device: Device) => Promise<void>,
  { effort = 1, on = present }: LawOptions = {},
): void => {
  for (const where of present.filter((d) => on.includes(d)))
    test(`${name} [${where}]`, async () => {
      const here = await device(where);
      const numRuns = Math.max(3, tries(RUNS[where] * effort));
      await holds(arbitrary, (value) => body(value, here), numRuns);
    });
};

/** One fixed case on each device. */
export const check = (
  name: string,
  body: (device: Device) => Promise<void>,
  on: readonly DeviceName[] = present,
): void => {
  for (const where of present.filter((d) => on.includes(d)))
    test(`${name} [${where}]`, async () => body(await device(where)));
};
