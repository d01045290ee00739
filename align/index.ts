export {
  type Batch,
  type CollateOptions,
  collate,
  collatePairs,
  epochOrder,
  paddingId,
  planBatches,
} from "./data/batch.js";
export { readRows, rowsOfKind, streamRows } from "./data/data.js";
export {
  type DataFrom,
  type Dataset,
  type DatasetOptions,
  exampleDataset,
  labelledDataset,
  pairDataset,
} from "./data/dataset.js";
export { type KtoSourceOptions, ktoSource } from "./data/kto-source.js";
export type { CompletionRow, DocumentRow, PairedRow, Row, UnpairedRow } from "./data/layouts/data-row.js";
export { unpairRows } from "./data/layouts/unpair.js";
export { PACKING_STRATEGIES, type PackingStrategy, packedRows } from "./data/packing/pack.js";
export type { TokenizeReport } from "./data/report.js";
export type { BatchSource, Rows, SourceOptions, TrainingBatch } from "./data/rows.js";
export type { LabelledSequence, Sequence, TokenizeOptions, TokenPair } from "./data/sequence.js";
export {
  batchesFrom,
  oneEpoch,
  type PairSourceOptions,
  pairSource,
  type ReferencePair,
  rowSource,
  sequenceSource,
  stepsOf,
} from "./data/source.js";
export { tokenizeAnswers, tokenizeExamples, tokenizePairs } from "./data/tokenize.js";
export {
  type KtoLossOptions,
  type KtoOptions,
  type KtoScores,
  ktoKl,
  ktoLoss,
  ktoObjective,
} from "./objectives/kto.js";
export {
  type BatchTensors,
  predicting,
  type Scored,
  type ScoreOptions,
  scoreBatch,
  scoreTokens,
  tokenScores,
} from "./objectives/log-probs.js";
export {
  logRatio,
  meanLogp,
  PAIR_LOSS_TYPES,
  type PairLossOptions,
  type PairLossType,
  type PairScores,
  pairLoss,
  pairLosses,
  REFERENCE_FREE,
  type SideScores,
  SMOOTHED,
  type WeightedLosses,
  weightedLosses,
} from "./objectives/losses.js";
export type { Metrics } from "./objectives/metrics.js";
export {
  completionObjective,
  type Objective,
  type ObjectiveOptions,
  type PreferenceOptions,
  preferenceObjective,
} from "./objectives/objective.js";
export { type AdapterTraining, adapterTraining } from "./training/adapter.js";
export {
  type Checkpoint,
  checkpointsIn,
  damageOf,
  type Manifest,
  removeUnfinished,
  rotateCheckpoints,
  writeCheckpoint,
} from "./training/checkpoint.js";
export {
  type EvaluateKtoOptions,
  type EvaluateOptions,
  type EvaluatePairsOptions,
  type Evaluation,
  evaluateKto,
  evaluateOn,
  evaluatePreferences,
} from "./training/evaluate.js";
export { modelFingerprint } from "./training/fingerprint.js";
export { type FisherOptions, fisher, fisherMask } from "./training/fisher.js";
export { trainingOptimizer } from "./training/optimizer.js";
export type { Position, TrainOptions, TrainSnapshot } from "./training/options.js";
export { askReference, batchTensors, referenceLogps, type Weights } from "./training/reference.js";
export { activationGrams, nullSpaces, type Observed } from "./training/retained/activations.js";
export type { Retain } from "./training/retained/retain.js";
export { STEERINGS, type Steering } from "./training/retained/steer.js";
export { loadRule, type RuleArgs } from "./training/rules/load-rule.js";
export { type OwnRule, ownRule } from "./training/rules/own-rule.js";
export { referenceDelta } from "./training/rules/reference-delta.js";
export {
  OPTIMIZER_NAMES,
  type OptimizerName,
  type OptimizerSettings,
  PROPOSALS,
  type ProposalName,
} from "./training/rules/settings.js";
export { lastSnapshot, type SavedSnapshot, type SnapshotOptions, saveSnapshot } from "./training/snapshots.js";
export { loadTree, saveTree } from "./training/state-file.js";
export type { TrainState } from "./training/step.js";
export { lastOf, type StepRecord, type TrainStep, train } from "./training/train.js";
export { openRecords, type RecordWriter } from "./training/writer.js";
