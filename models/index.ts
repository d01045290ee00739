export { type Adapter, loadAdapter, saveAdapter } from "./adapter-folder.js";
export type { Cache, KeyValues } from "./cache.js";
export { type CharacterVocabulary, writeCharacterTokenizer } from "./character-tokenizer.js";
export type { ChatMessage, RenderOptions } from "./chat-template.js";
export {
  type ModelConfig,
  type ModelDtype,
  parseConfig,
  type RopeConfig,
  readConfig,
  ropeInverseFrequencies,
} from "./config.js";
export type { WeightDtype } from "./dtypes.js";
export { copyTokenizerFiles, type SaveConfigOptions, saveConfig, weightDtypeOf } from "./folder.js";
export { type GenerateOptions, type Generator, generate, generator } from "./generate.js";
export { initParams } from "./init.js";
export { loadModel, type Model } from "./load.js";
export { initLora, type LoraOptions, loraDelta, loraTargets, withLora } from "./lora.js";
export { type Params, parameterShapes } from "./parameters.js";
export { type RopeSource, type RopeTable, ropeTable } from "./rope-table.js";
export { type HostTensor, openSafetensors, type Safetensors, type StoredTensor } from "./safetensors.js";
export { type WeightEntry, writeSafetensors } from "./safetensors-write.js";
export type { SamplingOptions } from "./sample.js";
export { type SaveOptions, saveModel } from "./save.js";
export { checkTokenIds, loadTokenizer, type Tokenizer } from "./tokenizer.js";
export { decode, type ForwardOptions, hiddenStates, logits, prefill, tokenLogps } from "./transformer.js";
export { openWeights, type Weights, type WeightsLayout, type WriteWeightsOptions, writeWeights } from "./weights.js";
