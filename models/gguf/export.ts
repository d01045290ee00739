import { basename, resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { readConfig } from "../config.js";
import { firstNotFinite } from "../files/dtypes.js";
import { openModelWeights } from "../files/load.js";
import { beginFile } from "../files/writing/atomic.js";
import { type Put, together } from "../folders/files.js";
import { atOnce } from "../folders/work.js";
import { hubNameOf } from "../hub/name.js";
import { architectures } from "./architectures.js";
import { checkArchitecture } from "./check.js";
import { tensorPieces } from "./encode.js";
import { type GgufType, type GgufValue, ggufHeader, padding, tensorBytes } from "./format.js";
import { contextOf, modelValues } from "./model-values.js";
import { type Export, exportedTensors } from "./tensors.js";
import { vocabularyValues } from "./vocabulary.js";

/** What was written. */
export interface Exported {
  readonly tensors: number;
  readonly bytes: number;
  /** What is not as in the model, a line each. */
  readonly notes: readonly string[];
}

/** Above it an f16 is infinite. */
const LARGEST_F16 = 65504;

/** Errors: InputError for numbers that the type cannot hold. */
const checkNumbers = (folder: string, { name, type }: Export, numbers: Float32Array): void => {
  const broken = firstNotFinite(numbers);
  if (broken !== undefined)
    throw new InputError(
      `${folder}: tensor "${name}" holds ${numbers[broken]} at element ${broken}; the weights are broken`,
    );
  if (type === "f16" && numbers.some((x) => Math.abs(x) > LARGEST_F16))
    throw new InputError(
      `${folder}: tensor "${name}" holds numbers beyond 65504, which f16 cannot; choose bf16 or f32`,
    );
};

/**
 * Writes a model folder as one GGUF file, for llama.cpp and what is built on it: weights as `type`, tokenizer and chat template
 * included. One tensor at a time is in memory, and the file appears whole.
 * Errors: InputError for a model, a tokenizer or numbers that llama.cpp would not compute as they are.
 */
export const exportGguf = async (folder: string, file: string, type: GgufType = "f16"): Promise<Exported> => {
  expects("exportGguf", "text text", folder, file);
  const config = readConfig(folder);
  const architecture = architectures[config.modelType];
  checkArchitecture(folder, config, architecture);
  const vocabulary = vocabularyValues(folder, config);
  const name = hubNameOf(resolve(folder)) ?? basename(resolve(folder));
  const values = new Map<string, GgufValue>([...modelValues(config, architecture, { name, type }), ...vocabulary]);
  const tensors = exportedTensors(config, architecture, type);
  const header = ggufHeader(values, tensors);
  const weights = openModelWeights(folder, config);
  let bytes = 0;
  const write = function* (put: Put): ReturnType<Put> {
    const counted: Put = (piece) => {
      bytes += piece.byteLength;
      return put(piece);
    };
    yield* counted(header);
    for (const tensor of tensors) {
      const numbers = tensor.numbers(tensor.from === undefined ? new Float32Array() : weights.read(tensor.from).data);
      checkNumbers(folder, tensor, numbers);
      for (const piece of tensorPieces(numbers, tensor.type)) yield* counted(piece);
      yield* counted(new Uint8Array(padding(tensorBytes(tensor))));
    }
  };
  atOnce(together([{ begin: () => beginFile(file), write }]));
  const context = contextOf(config, architecture);
  const halves = type === "q8_0" ? tensors.filter((tensor) => tensor.type === "f16").length : 0;
  const notes = [
    ...(context < config.maxPositions
      ? [`context_length is ${context}: llama.cpp has no windows for ${architecture.name}`]
      : []),
    ...(halves > 0 ? [`${halves} tensors are f16: their rows are no multiple of 32, as q8_0 takes`] : []),
    ...(vocabulary.size === 1 ? ["there is no tokenizer.json, so the file has no vocabulary"] : []),
  ];
  return { tensors: tensors.length, bytes, notes };
};
