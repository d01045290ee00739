import { after, test } from "node:test";
import fc from "fast-check";
import type { Device } from "../../../core/index.js";
import { openWebgpu } from "../../../kernels/index.js";
import { findAll } from "../../../kernels/webgpu/adapter/find.js";
import { modeOf } from "../../../kernels/webgpu/adapter/modes.js";
import { unitsOf } from "../../../kernels/webgpu/kernels/matmul/units.js";
import { profileOf } from "../../../kernels/webgpu/profiles.js";
import { presentDevices } from "../../devices.js";
import { tries } from "../../reach.js";

/** The two sets of kernels that the webgpu device has: for GPUs, and for adapters that run on the CPU. */
const VARIANTS = ["gpu", "cpu"] as const;
type Variant = (typeof VARIANTS)[number];

const opened = new Map<Variant, Promise<Device>>();
const open = (kernels: Variant): Promise<Device> => {
  const device = opened.get(kernels) ?? openWebgpu({ kernels });
  opened.set(kernels, device);
  return device;
};
after(async () => {
  for (const device of opened.values()) await device.then((d) => d.close()).catch(() => {});
});

const isHere = (await presentDevices()).includes("webgpu");

/** Does the adapter have matrix units that products of f16 operands run on? */
export const hasUnits =
  isHere && (await findAll()).slice(0, 1).some(({ report }) => unitsOf(profileOf(report, modeOf())) !== undefined);
/** What a law of theirs skips by where there are none. */
export const needsUnits = { skip: hasUnits ? false : "this adapter has no matrix units of f16" } as const;

/** One case with each set of kernels (or those named), whatever the adapter is. */
export const webgpuCheck = (
  name: string,
  body: (device: Device, variant: Variant) => Promise<void>,
  variants: readonly Variant[] = VARIANTS,
): void => {
  if (!isHere) return;
  for (const variant of variants)
    test(`${name}: kernels for ${variant} [webgpu]`, async () => body(await open(variant), variant));
};

/**
 * A law on random cases with each set of kernels. Few cases: a software adapter compiles slowly, and kernels for GPUs take it
 * twice as long.
 */
export const webgpuLaw = <T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  body: (value: T, device: Device) => Promise<void>,
  count = 6,
): void =>
  webgpuCheck(name, async (device, variant) => {
    await fc.assert(
      fc.asyncProperty(arbitrary, (value) => body(value, device)),
      { numRuns: tries(variant === "gpu" ? count / 2 : count) },
    );
  });
