/**
 * Optimizers as pure functions of graphs: base rules, online merging over any of them, schedules, clipping, offline merges.
 * @module taugrad/optim
 */
export { absorbed } from "./absorbed.js";
export { type AdamWOptions, adamW } from "./adamw.js";
export { l2ToReference, pullback, shadow } from "./average.js";
export { type AdafactorOptions, adafactor } from "./bases/adafactor.js";
export { type AdamForm, type AdamOptions, adam } from "./bases/adam.js";
export { lion } from "./bases/lion.js";
export { muon } from "./bases/muon.js";
export { type ScheduleFreeOptions, scheduleFree } from "./bases/schedule-free.js";
export { sgd } from "./bases/sgd.js";
export { childTuningD, childTuningF, jointMask } from "./child-tuning.js";
export { clipByGlobalNorm, globalNorm } from "./clip.js";
export * from "./consensus.js";
export { type Decay, decayed, exceptNormsAndBiases } from "./decay.js";
export { type BemaOptions, bema } from "./follow/bema.js";
export { begun, type Followed, type Follower, firstMove, moved } from "./follow/follow.js";
export { mixing } from "./follow/mixing.js";
export { type LowRankOptions, lowRank, PROJECTED_STEPS } from "./low-rank/low-rank.js";
export { leading } from "./low-rank/subspace.js";
export type { Masks } from "./masks.js";
export {
  type Counted,
  type Known,
  type Meeting,
  type MeetingOptions,
  type MeetingState,
  meet,
  meeting,
} from "./meet/meeting.js";
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
export { inNullSpace, nullSpace } from "./retain/null-space.js";
export { helpful, orthogonalTo } from "./retain/orthogonal.js";
export { type Draw, type Now, plain, type Rule, type Scalars, type Slots, type Stream } from "./rule.js";
export { SCHEDULES, type ScheduleOptions, schedule } from "./schedule.js";
export type { ScheduleName } from "./schedule-shapes.js";
export * from "./sparsify.js";
export { stepK } from "./step-k.js";
