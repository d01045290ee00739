export {
  type Compiled,
  type CompileOptions,
  compile,
  evaluate,
  evaluateEach,
  type Given,
  type Told,
} from "./compile.js";
export type {
  Buffer,
  Device,
  DeviceLimits,
  DeviceStats,
  Final,
  Graph,
  Planned,
  Planner,
  Program,
  ProgramMemory,
} from "./device.js";
export {
  byteLength,
  bytesOf,
  type DType,
  type HostData,
  hostArray,
  isFloating,
  isHalf,
  numbersOf,
} from "./dtype.js";
export {
  DeviceError,
  DeviceLostError,
  InputError,
  type Lacking,
  OutOfMemoryError,
  OwnershipError,
  ShapeError,
} from "./errors.js";
export { expand, rewrite } from "./expand.js";
export { type ArrayOf, item, type NestedNumbers, print, toArray } from "./numbers.js";
export { broadcastTo, type ReduceName, sum } from "./ops/broadcast.js";
export { cast, roundRandom } from "./ops/cast.js";
export { erfOf, threefryBits } from "./ops/definitions.js";
export { type AttentionOptions, attention } from "./ops/fused/attention.js";
export { fused } from "./ops/fused/fused.js";
export { capped, type HeadOptions, headScores } from "./ops/fused/head-scores.js";
export { crossEntropy, logSumExp, rmsnorm, rope, softmax, swiglu } from "./ops/fused/nn.js";
export { tokenScores } from "./ops/fused/token-scores.js";
export { writeRows } from "./ops/fused/write-rows.js";
export * from "./ops/index-ops.js";
export {
  constantData,
  constantNumbers,
  full,
  iota,
  type Nested,
  ones,
  scalar,
  tensor,
  zeros,
  zerosLike,
} from "./ops/leaf.js";
export { stopGradient } from "./ops/marker.js";
export { type MatmulOptions, matmul } from "./ops/matmul.js";
export * from "./ops/pointwise.js";
export * from "./ops/random-bits.js";
export { max, mean } from "./ops/reduce.js";
export { topkMask } from "./ops/topk.js";
export * from "./ops/view.js";
export { callOf, printGraph, typeOf } from "./print.js";
export {
  bernoulli,
  bits,
  foldIn,
  foldInEach,
  foldInName,
  key,
  namesAsData,
  normal,
  split,
  uniform,
} from "./random.js";
export { broadcastShapes, type Shape, sameShape, sizeOf, stridesOf } from "./shape.js";
export { decodeHalves, encodeHalves, floatToHalf, type HalfType, halfToFloat } from "./storage/half.js";
export { tellForgotten } from "./storage/leaks.js";
export {
  deviceOf,
  disposable,
  dispose,
  download,
  isConcrete,
  read,
  scope,
  treeMake,
  upload,
} from "./storage/stored.js";
export { type Attrs, type HostTensorData, isTensor, type Op, reachable, type Tensor } from "./tensor.js";
export { checkpoint, inBlocks } from "./transforms/checkpoint.js";
export { customVjp } from "./transforms/custom-vjp.js";
export {
  type ArgNums,
  type GradOptions,
  grad,
  type Picked,
  type Tangents,
  valueAndGrad,
  vjp,
} from "./transforms/grad.js";
export { hessian, type Jacobian, type JacobianOptions, jacfwd, jacrev } from "./transforms/jacobian.js";
export { hvp, jvp } from "./transforms/jvp.js";
export { type ScanOptions, scan } from "./transforms/scan.js";
export { type Axes, type VmapOptions, vmap } from "./transforms/vmap.js";
export { leaves, namedLeaves, type Tree, treeKey, treeMap, treeZip, unflatten } from "./tree.js";
