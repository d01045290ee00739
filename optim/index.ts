export { absorbed } from "./absorbed.js";
export { type AdamWOptions, adamW } from "./adamw.js";
export { l2ToReference, pullback, shadow } from "./average.js";
export { childTuningD, childTuningF, jointMask } from "./child-tuning.js";
export { clipByGlobalNorm, globalNorm } from "./clip.js";
export * from "./consensus.js";
export { type Decay, decayed, exceptNormsAndBiases } from "./decay.js";
export { lion } from "./lion.js";
export type { Masks } from "./masks.js";
export { type Merge, online } from "./merge.js";
export * from "./offline/index.js";
export { onDare, onDareTies } from "./on-dare.js";
export { onMagnitude, onTies } from "./on-ties.js";
export {
  type LiftOptions,
  type Optimizer,
  type OptimizerState,
  optimizer,
  type StateType,
  type UpdateInputs,
} from "./optimizer.js";
export { MERGES, type MergeName } from "./pieces.js";
export { type MergingOptions, mergingRule } from "./preset.js";
export { type AdamForm, type AdamOptions, adam, sgd } from "./proposal.js";
export type { Draw, Now, Rule, Scalars, Slots, Stream } from "./rule.js";
export { SCHEDULES, type ScheduleOptions, schedule } from "./schedule.js";
export type { ScheduleName } from "./schedule-shapes.js";
export * from "./sparsify.js";
export { stepK } from "./step-k.js";
