export { blockAt, type RatioSearch, searchRatios } from "./hma.js";
export { type MergeOptions, type MergeSource, mergeTensors } from "./merge-tensors.js";
export { MERGE_METHODS, type MergeMethod } from "./method.js";
export { slerp } from "./slerp.js";
export type { Vote } from "./vote.js";
