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
  type CompletionRow,
  type DocumentRow,
  type PairedRow,
  type Row,
  readRows,
  rowsOfKind,
  type UnpairedRow,
} from "./data.js";
export {
  type EvaluateOptions,
  type EvaluatePairsOptions,
  type Evaluation,
  evaluateOn,
  evaluatePreferences,
} from "./evaluate.js";
export { type FisherOptions, fisher, fisherMask } from "./fisher.js";
export { completionLogps, entropy, meanLogit, predicted, type Scored, scoreTokens } from "./log-probs.js";
export {
  logRatio,
  PAIR_LOSS_TYPES,
  type PairLoss,
  type PairLossOptions,
  type PairLossType,
  type PairScores,
  pairLosses,
  type SideScores,
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
export { referenceLogps, type Weights, withReference } from "./reference.js";
export {
  type BatchSource,
  batchesFrom,
  oneEpoch,
  type PairSourceOptions,
  pairSource,
  type ReferencePair,
  type SourceOptions,
  sequenceSource,
  stepsOf,
  type TrainingBatch,
} from "./source.js";
export { loadTree, saveTree } from "./state-file.js";
export {
  type Sequence,
  type TokenizeOptions,
  type TokenizeReport,
  type TokenPair,
  tokenizeExamples,
  tokenizePairs,
} from "./tokenize.js";
export { lastOf, type StepRecord, type TrainOptions, type TrainStep, train } from "./train.js";
export { openRecords, type RecordWriter } from "./writer.js";
