export { type AdamWOptions, adamW } from "./adamw.js";
export { clipByGlobalNorm, globalNorm } from "./clip.js";
export * from "./consensus.js";
export { type Decay, decayed, exceptNormsAndBiases } from "./decay.js";
export { type Merge, online } from "./merge.js";
export { onDare } from "./on-dare.js";
export { onTies } from "./on-ties.js";
export {
  type LiftOptions,
  type Masks,
  type Optimizer,
  type OptimizerState,
  optimizer,
  type UpdateInputs,
} from "./optimizer.js";
export type { MergingOptions } from "./preset.js";
export { type AdamForm, type AdamOptions, adam, sgd } from "./proposal.js";
export type { Draw, Now, Rule, Scalars, Slots, Stream } from "./rule.js";
export { SCHEDULES, type ScheduleName, type ScheduleOptions, schedule } from "./schedule.js";
export * from "./sparsify.js";
export { stepK } from "./step-k.js";
