import { expects } from "../../core/expects.js";
import { type Device, InputError } from "../../core/index.js";
import { parseConfig } from "../config.js";
import { addressFile } from "../folders/address.js";
import type { StoredFile } from "../folders/folder.js";
import { memoryFile } from "../folders/memory.js";
import { inTurn, ready } from "../folders/work.js";
import { checkedJson, type JsonObject, LARGEST_TEXT, textOf } from "./json.js";
import { type LoadOptions, type Model, modelOf } from "./load.js";
import { type SafetensorsFile, safetensorsOf } from "./safetensors.js";
import { type WeightsLayout, weightsOf } from "./weights.js";

/** A file at hand, or where it is. */
type Source = Uint8Array | Blob | URL;

/** A model that lies in no folder: its files as objects, as bytes, or where they are. */
export interface ModelSource {
  /** config.json. */
  readonly config: JsonObject | Source;
  /** generation_config.json, if there is one. */
  readonly generationConfig?: JsonObject | Source;
  /** The safetensors file, or its shards in any order; addresses are read by range requests, a tensor at a time. */
  readonly weights: Source | readonly Source[];
}

const isSource = (from: unknown): from is Source =>
  from instanceof URL || from instanceof Uint8Array || from instanceof Blob;

/** Errors: InputError for an address that there is nothing at. */
const fileOf = async (from: Source, name: string, signal?: AbortSignal): Promise<StoredFile> => {
  if (!(from instanceof URL)) return memoryFile(name, from);
  const file = await addressFile(from, { signal });
  if (file === undefined) throw new InputError(`${from.href}: cannot be read: it answered 404`);
  return file;
};

/** Errors: InputError for what is no JSON object. */
const objectOf = async (from: JsonObject | Source, name: string, signal?: AbortSignal): Promise<JsonObject> => {
  if (!isSource(from)) return from;
  const file = await fileOf(from, name, signal);
  return checkedJson(file.path, textOf(file.path, await file.whole(LARGEST_TEXT)));
};

/** How it would be saved: one file, or as many shards as there are. */
const layoutOf = (files: readonly SafetensorsFile[]): WeightsLayout => {
  const names = files.map(({ tensors }) => [...tensors.keys()]);
  if (files.length === 1) return { kind: "single", names: names[0] };
  const count = (n: number): string => String(n).padStart(5, "0");
  const shard = (i: number): string => `model-${count(i + 1)}-of-${count(files.length)}.safetensors`;
  return { kind: "sharded", files: new Map(names.map((own, i) => [shard(i), own])) };
};

/** Weights of files in any order. Errors: InputError for a tensor that is in two. */
function* weightsFrom(sources: readonly Source[], signal?: AbortSignal) {
  const home = new Map<string, SafetensorsFile>();
  const files: SafetensorsFile[] = [];
  for (const [i, from] of sources.entries()) {
    const name = sources.length === 1 ? "weights" : `weights[${i}]`;
    const file = yield* safetensorsOf(yield* ready(fileOf(from, name, signal)));
    for (const tensor of file.tensors.keys()) {
      if (home.has(tensor))
        throw new InputError(`${file.path}: tensor "${tensor}" is in ${home.get(tensor)?.path} too`);
      home.set(tensor, file);
    }
    files.push(file);
  }
  return weightsOf(files[0].path, home, layoutOf(files));
}

/**
 * Loads a model from objects, bytes or addresses, as `loadModel` does from a folder. One tensor at a time is on the host where a
 * device is given.
 * Errors: InputError, as `loadModel`, and for an address that cannot be read.
 */
export const loadModelFrom = async (
  source: ModelSource,
  device?: Device,
  options: LoadOptions = {},
): Promise<Model> => {
  expects("loadModelFrom", "record device? {signal,onProgress:function}", source, device, options);
  const { generationConfig } = source;
  const { signal } = options;
  const raw = await objectOf(source.config, "config.json", signal);
  const generation = generationConfig && (await objectOf(generationConfig, "generation_config.json", signal));
  const config = parseConfig(raw, "config.json", generation);
  const given = isSource(source.weights) ? [source.weights] : source.weights;
  if (given.length === 0) throw new InputError("loadModelFrom: no weights are given");
  return inTurn(
    (function* () {
      return yield* modelOf(config, yield* weightsFrom(given, signal), device, options);
    })(),
  );
};
