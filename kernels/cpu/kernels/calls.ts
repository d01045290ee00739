import { DeviceError } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import type { Launch } from "../launch.js";
import { launchAttention } from "./attention.js";
import { launchAttentionGradient } from "./attention-vjp.js";
import { launchCrossEntropy, launchCrossEntropyGradient } from "./cross-entropy.js";
import { launchGather, launchScatterAdd } from "./index-ops.js";
import { launchRmsnorm, launchRmsnormGradient } from "./rmsnorm.js";
import { launchSoftmax, launchSoftmaxGradient } from "./softmax.js";
import { launchTopkMask } from "./topk.js";
import { launchWriteRows } from "./write-rows.js";

type Launcher = (step: CallStep) => Launch[];

const fused: Record<string, Launcher> = {
  attention: launchAttention,
  "attention.vjp": launchAttentionGradient,
  softmax: launchSoftmax,
  "softmax.vjp": launchSoftmaxGradient,
  rmsnorm: launchRmsnorm,
  "rmsnorm.vjp": launchRmsnormGradient,
  crossEntropy: launchCrossEntropy,
  "crossEntropy.vjp": launchCrossEntropyGradient,
  topkMask: launchTopkMask,
  writeRows: launchWriteRows,
};

const launchers: Record<string, Launcher> = {
  ...fused,
  gather: launchGather,
  scatterAdd: launchScatterAdd,
};

/** Calls that read 16-bit floats as they are stored; for the others these are widened before. */
export const reads16 = (call: string): boolean => call === "gather";

/** Ops with an expansion that have a kernel here; the planner expands the others. */
export const fusedKernels: readonly string[] = Object.keys(fused);

export const launchCall = (step: CallStep): Launch[] => {
  const launcher = launchers[step.name];
  if (launcher === undefined) throw new DeviceError(`cpu: no kernel for ${step.name}`);
  return launcher(step);
};
