import { DeviceError } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import type { Launch } from "../launch.js";

type Launcher = (step: CallStep) => Launch[];

const launchers: Record<string, Launcher> = {};

/** Fused ops that have a kernel here; the planner expands the others. */
export const fusedKernels: readonly string[] = [];

export const launchCall = (step: CallStep): Launch[] => {
  const launcher = launchers[step.name];
  if (launcher === undefined) throw new DeviceError(`cpu: no kernel for ${step.name}`);
  return launcher(step);
};
