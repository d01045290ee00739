import type { Device, Planner } from "../../core/index.js";
import { planTeller } from "../plan/teller.js";
import { type FindTuning, type Granted, openDevice } from "./device.js";
import type { KernelSet } from "./kernels/lowering.js";
import type { WebgpuOptions } from "./options.js";
import { type Profile, planWebgpu, type Traits } from "./prepare.js";

/** What programs are planned and run by on one kind of adapter. */
export interface Engine {
  readonly kernelSet: KernelSet;
  readonly open: (granted: Granted, traits: Traits, options: WebgpuOptions) => Promise<Device>;
  /** Plans as such an adapter would. */
  readonly planner: (description: string, traits: Traits) => Promise<Planner>;
}

/** `tuningOf`: see `openDevice`. */
export const engineOf = (kernelSet: KernelSet, tuningOf?: FindTuning): Engine => {
  const profileOf = async (traits: Traits): Promise<Profile> => ({ ...traits, kernelSet, tell: await planTeller() });
  return {
    kernelSet,
    open: async (granted, traits, options) => openDevice(granted, await profileOf(traits), options, tuningOf),
    planner: async (description, traits) => {
      const profile = await profileOf(traits);
      return {
        name: "webgpu",
        description: `webgpu: ${description}`,
        limits: { buffer: traits.limits.maxBufferSize },
        plan: (graph) => planWebgpu(graph, profile),
      };
    },
  };
};
