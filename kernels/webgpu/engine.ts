import type { Device, Planner } from "../../core/index.js";
import { type FindTuning, type Granted, openDevice, type WebgpuOptions } from "./device.js";
import type { KernelSet } from "./kernels/lowering.js";
import { type Profile, planWebgpu, type Traits } from "./prepare.js";

/** What programs are planned and run by on one kind of adapter. */
export interface Engine {
  readonly kernelSet: KernelSet;
  readonly open: (granted: Granted, traits: Traits, options: WebgpuOptions) => Promise<Device>;
  /** Plans as such an adapter would. */
  readonly planner: (description: string, traits: Traits) => Planner;
}

/** `tuningOf`: see `openDevice`. */
export const engineOf = (kernelSet: KernelSet, tuningOf?: FindTuning): Engine => {
  const profileOf = (traits: Traits): Profile => ({ ...traits, kernelSet });
  return {
    kernelSet,
    open: (granted, traits, options) => openDevice(granted, profileOf(traits), options, tuningOf),
    planner: (description, traits) => ({
      name: "webgpu",
      description: `webgpu: ${description}`,
      limits: { buffer: traits.limits.maxBufferSize },
      plan: (graph) => planWebgpu(graph, profileOf(traits)),
    }),
  };
};
