export { type AdapterTraining, adapterTraining } from "./adapter.js";
export {
  type Batch,
  type CollateOptions,
  collate,
  collatePairs,
  epochOrder,
  paddingId,
  planBatches,
} from "./batch.js";
export {
  type Checkpoint,
  checkpointsIn,
  damageOf,
  removeUnfinished,
  rotateCheckpoints,
  writeCheckpoint,
} from "./checkpoint.js";
export { readRows, rowsOfKind, streamRows } from "./data.js";
export type { CompletionRow, DocumentRow, PairedRow, Row, UnpairedRow } from "./data-row.js";
export {
  type Dataset,
  type DatasetOptions,
  exampleDataset,
  labelledDataset,
  pairDataset,
} from "./dataset.js";
export {
  type EvaluateKtoOptions,
  type EvaluateOptions,
  type EvaluatePairsOptions,
  type Evaluation,
  evaluateKto,
  evaluateOn,
  evaluatePreferences,
} from "./evaluate.js";
export { modelFingerprint } from "./fingerprint.js";
export { type FisherOptions, fisher, fisherMask } from "./fisher.js";
export { type KtoLossOptions, type KtoOptions, type KtoScores, ktoKl, ktoLoss, ktoObjective } from "./kto.js";
export { type KtoSourceOptions, ktoSource } from "./kto-source.js";
export { completionLogps, entropy, meanLogit, predicted, type Scored, scoreTokens } from "./log-probs.js";
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
} from "./losses.js";
export type { Metrics } from "./metrics.js";
export {
  type BatchTensors,
  completionObjective,
  type Objective,
  type ObjectiveOptions,
  type PreferenceOptions,
  preferenceObjective,
} from "./objective.js";
export {
  OPTIMIZER_NAMES,
  type OptimizerName,
  type OptimizerSettings,
  PROPOSALS,
  type ProposalName,
  referenceDelta,
  trainingOptimizer,
} from "./optimizer.js";
export { askReference, referenceLogps, type Weights } from "./reference.js";
export {
  type BatchSource,
  batchesFrom,
  oneEpoch,
  type PairSourceOptions,
  pairSource,
  type ReferencePair,
  type Rows,
  rowSource,
  type SourceOptions,
  sequenceSource,
  stepsOf,
  type TrainingBatch,
} from "./source.js";
export { loadTree, saveTree } from "./state-file.js";
export type { TrainState } from "./step.js";
export {
  type LabelledSequence,
  type Sequence,
  type TokenizeOptions,
  type TokenizeReport,
  type TokenPair,
  tokenizeAnswers,
  tokenizeExamples,
  tokenizePairs,
} from "./tokenize.js";
export {
  lastOf,
  type Position,
  type StepRecord,
  type TrainOptions,
  type TrainSnapshot,
  type TrainStep,
  train,
} from "./train.js";
export { unpairRows } from "./unpair.js";
export { openRecords, type RecordWriter } from "./writer.js";
