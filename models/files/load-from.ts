import { expects } from "../../core/expects.js";
import { type Device, InputError, type Tensor } from "../../core/index.js";
import { parseConfig } from "../config.js";
import { patientFetch } from "../hub/patient-fetch.js";
import { parameterShapes } from "../parameters.js";
import { isObject, type JsonObject, oneLine, show } from "./json.js";
import { checkNames, checkSameHead, EMBEDDING, HEAD, type Model, placed, storedDtype } from "./load.js";
import { parseBounded } from "./parse-json.js";
import { openRanges, type RangedSafetensors } from "./ranges.js";
import type { StoredTensor } from "./safetensors.js";
import type { WeightsLayout } from "./weights.js";

/** A model that lies in no folder: its files as objects, as bytes, or where they are. */
export interface ModelSource {
  /** config.json. */
  readonly config: JsonObject | Uint8Array | URL;
  /** generation_config.json, if there is one. */
  readonly generationConfig?: JsonObject | Uint8Array | URL;
  /** The safetensors file, or its shards in any order; addresses are read by range requests, a tensor at a time. */
  readonly weights: Uint8Array | URL | readonly (Uint8Array | URL)[];
}

const PAUSE = 500;

/** Errors: InputError for what is no JSON object. */
const objectOf = async (from: JsonObject | Uint8Array | URL, name: string): Promise<JsonObject> => {
  if (!(from instanceof URL) && !(from instanceof Uint8Array)) return from;
  let bytes: Uint8Array;
  if (from instanceof URL) {
    const response = await patientFetch(PAUSE)(from);
    if (!response.ok) throw new InputError(`${from.href}: cannot be read: it answered ${response.status}`);
    bytes = new Uint8Array(await response.arrayBuffer());
  } else bytes = from;
  const where = from instanceof URL ? from.href : name;
  let value: unknown;
  try {
    value = parseBounded(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new InputError(`${where}: is not JSON (${oneLine(error instanceof Error ? error.message : String(error))})`);
  }
  if (!isObject(value)) throw new InputError(`${where}: must hold a JSON object, holds ${show(value)}`);
  return value;
};

/** Files by the tensors in them. Errors: InputError for a tensor that is in two. */
const homes = (files: readonly RangedSafetensors[]): ReadonlyMap<string, RangedSafetensors> => {
  const home = new Map<string, RangedSafetensors>();
  for (const file of files)
    for (const name of file.tensors.keys()) {
      if (home.has(name)) throw new InputError(`${file.name}: tensor "${name}" is in ${home.get(name)?.name} too`);
      home.set(name, file);
    }
  return home;
};

/** How it would be saved: one file, or as many shards as there are. */
const layoutOf = (files: readonly RangedSafetensors[]): WeightsLayout => {
  const names = files.map(({ tensors }) => [...tensors.keys()]);
  if (files.length === 1) return { kind: "single", names: names[0] };
  const count = (n: number): string => String(n).padStart(5, "0");
  const shard = (i: number): string => `model-${count(i + 1)}-of-${count(files.length)}.safetensors`;
  return { kind: "sharded", files: new Map(names.map((own, i) => [shard(i), own])) };
};

/**
 * Loads a model from bytes or addresses, as `loadModel` does from a folder. One tensor at a time is on the host where a device
 * is given.
 * Errors: InputError, as `loadModel`, and for an address that cannot be read.
 */
export const loadModelFrom = async (source: ModelSource, device?: Device): Promise<Model> => {
  expects("loadModelFrom", "record device?", source, device);
  const { generationConfig } = source;
  const raw = await objectOf(source.config, "config.json");
  const generation = generationConfig && (await objectOf(generationConfig, "generation_config.json"));
  const config = parseConfig(raw, "config.json", generation);
  const given =
    source.weights instanceof Uint8Array || source.weights instanceof URL ? [source.weights] : source.weights;
  if (given.length === 0) throw new InputError("loadModelFrom: no weights are given");
  const files: RangedSafetensors[] = [];
  for (const [i, from] of given.entries())
    files.push(await openRanges(from, given.length === 1 ? "weights" : `weights[${i}]`));
  const home = homes(files);
  const weights = {
    folder: files[0].name,
    names: [...home.keys()],
    has: (name: string) => home.has(name),
    info: (name: string) => home.get(name)?.tensors.get(name) as StoredTensor,
  };
  const shapes = parameterShapes(config);
  checkNames(weights, shapes, config);
  const stored = (name: string) => (home.get(name) as RangedSafetensors).readStored(name);
  if (config.tied && home.has(HEAD)) checkSameHead(weights.folder, await stored(HEAD), await stored(EMBEDDING));
  const params: Record<string, Tensor> = {};
  for (const name of shapes.keys())
    params[name] = placed((home.get(name) as RangedSafetensors).name, name, await stored(name), device);
  return { config, params, layout: layoutOf(files), dtype: storedDtype(weights, config) };
};
