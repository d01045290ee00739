/**
 * The transformer and its files: Hugging Face folders, the Hub, GGUF; tokenizers and chat templates; LoRA; generation.
 * @module taugrad/models
 */
export type { Cache, KeyValues } from "./cache.js";
export {
  type ModelConfig,
  type ModelDtype,
  parseConfig,
  readConfig,
} from "./config.js";
export { FAMILY_NAMES, type FamilyName } from "./families.js";
export { type Adapter, loadAdapter, saveAdapter } from "./files/adapter-folder.js";
export { type Aligned, alignTokens } from "./files/align-tokens.js";
export type { WeightDtype } from "./files/dtypes.js";
export {
  copyTokenizerFiles,
  type SaveConfigOptions,
  saveConfig,
  weightDtypeOf,
} from "./files/folder.js";
export { type LoadOptions, loadModel, type Model } from "./files/load.js";
export { loadModelFrom, type ModelSource } from "./files/load-from.js";
export { type HostTensor, openSafetensors, type Safetensors, type StoredTensor } from "./files/safetensors.js";
export { type WeightEntry, writeSafetensors } from "./files/safetensors-write.js";
export { type SaveOptions, saveModel } from "./files/save.js";
export { type SideFiles, sideFilesOf } from "./files/side-files.js";
export { openWeights, type Weights, type WeightsLayout } from "./files/weights.js";
export { type WriteWeightsOptions, writeWeights } from "./files/weights-write.js";
export { folderAt } from "./folders/address.js";
export type { Folder, StoredFile, Unfinished } from "./folders/folder.js";
export { type DirectoryHandle, folderIn } from "./folders/handle.js";
export { type FileContent, folderOf, type GivenFile, type MemoryFolder } from "./folders/memory.js";
export type { AddressOptions } from "./folders/requests.js";
export {
  type AnswerToken,
  type Conversation,
  type ConversationOptions,
  conversation,
} from "./generation/conversation.js";
export { type GenerationDefaults, generationDefaults } from "./generation/defaults.js";
export {
  type End,
  type GenerateOptions,
  type Generator,
  generate,
  generator,
  type NewToken,
  type StreamOptions,
} from "./generation/generate.js";
export { type KeptCache, keptCache } from "./generation/kept-cache.js";
export type { SamplingOptions } from "./generation/sample.js";

export {
  type Continued,
  continueTexts,
  type Speaker,
  type StreamedToken,
  streamText,
  streamTokens,
  type TextEnd,
  type TextOptions,
  type TextStreamOptions,
  textBefore,
} from "./generation/texts.js";

export { type Exported, exportGguf } from "./gguf/export.js";
export type { GgufType } from "./gguf/format.js";

export { logits, targetScores } from "./head.js";
export { type HubName, hubNameOf, parseHubName } from "./hub/name.js";
export { type HubSettings, hubSettings } from "./hub/settings.js";
export { hubSnapshot, type SnapshotOptions } from "./hub/snapshot.js";
export { type HubTarget, prepareUpload, uploadFolder } from "./hub/upload.js";
export type { Purpose } from "./hub/wanted.js";
export { initParams } from "./init.js";
export { type LayerKind, ropeReach } from "./layer-kinds.js";
export { initLora, loraDelta, mergeLora, withLora } from "./lora/lora.js";
export { type LoraOptions, type LoraTarget, loraTargets, targetsOf } from "./lora/targets.js";
export { type Params, parameterShapes } from "./parameters.js";
export type { RopeConfig } from "./rope.js";
export { type RopeTable, ropeTable } from "./rope-table.js";
export { type CharacterVocabulary, writeCharacterTokenizer } from "./text/character-tokenizer.js";
export type { ChatMessage, ContentPart } from "./text/chat-message.js";
export type { RenderOptions } from "./text/chat-template.js";
export { checkTokenIds, loadTokenizer, type Tokenizer, type TokenizerSource, tokenizerOf } from "./text/tokenizer.js";
export { decode, type ForwardOptions, hiddenStates, prefill } from "./transformer.js";
