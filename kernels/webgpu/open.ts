import type { Device } from "../../core/index.js";
import { findAdapter } from "./adapter/find.js";
import { modeOf } from "./adapter/modes.js";
import type { WebgpuOptions } from "./device.js";
import { engineFor } from "./engines/choose.js";
import { profileOf } from "./profiles.js";

/** See index.ts. */
export const openWebgpu = async (options: WebgpuOptions): Promise<Device> => {
  const mode = options.mode ?? modeOf();
  const found = await findAdapter(mode, options.adapter);
  const traits = profileOf(found.report, mode, options);
  return (await engineFor(traits)).open(found, traits, options);
};
