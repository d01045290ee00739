/**
 * Generators and laws, for tests of one's own ops and rules with fast-check.
 * @module taugrad/testing
 */
export { agrees, assertClose, assertSame, numbersOf, oracle, run, type Tolerance } from "./close.js";
export {
  axisOrder,
  booleans,
  broadcastable,
  distinct,
  eighths,
  integers,
  positives,
  reshaped,
  seeds,
  shapes,
  someAxes,
  viewOf,
} from "./generators.js";
export { holds, type Law } from "./law.js";
export {
  agreesWithDifferences,
  jvpIsAdjoint,
  type OpFunction,
  type OpLawOptions,
  opLaws,
  secondCallCompilesNothing,
  vmapIsLoop,
  withPullback,
} from "./op-laws.js";
export {
  bearsAnyShape,
  converges,
  fixedFor,
  isMapped,
  resumes,
  secondStepCompilesNothing,
  type Target,
  type Through,
  threeRuns,
} from "./optimizer-laws.js";
export { type RandomGraph, randomGraphs } from "./random-graphs.js";
export type { Value } from "./random-values.js";
export { driftsAlone, isLeftAlone, isMaskedBySteps, type RuleLawOptions, ruleLaws } from "./rule-laws.js";
export {
  assertNear,
  masksOver,
  path as optimizerPath,
  type Run,
  runs,
  type StepMasks,
  sameBits,
  vectors,
} from "./runs.js";
export { tensors, trees } from "./trees.js";
