import type { Device } from "../../core/index.js";
import { namesOf } from "./adapter/features.js";
import { findAdapter } from "./adapter/find.js";
import { askedOf } from "./adapter/limits.js";
import { modeOf } from "./adapter/modes.js";
import { nameOf } from "./adapter/report.js";
import { engineFor } from "./engines/choose.js";
import type { WebgpuOptions } from "./options.js";
import { profileOf } from "./profiles.js";

/** See index.ts. */
export const openWebgpu = async (options: WebgpuOptions): Promise<Device> => {
  const mode = options.mode ?? modeOf();
  const { gpu: instance, adapter, report } = await findAdapter(mode, options.adapter);
  const traits = profileOf(report, mode, options);
  const engine = await engineFor(traits);
  const device = await adapter.requestDevice({
    requiredFeatures: namesOf(traits.features) as GPUFeatureName[],
    requiredLimits: askedOf(report.limits),
  });
  return engine.open({ device, instance, report, mode, name: nameOf(report) }, traits, options);
};
