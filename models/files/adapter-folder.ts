import { join } from "node:path";
import { InputError, read, sameShape, tensor } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { factorShapes, type LoraOptions } from "../lora.js";
import type { Params } from "../parameters.js";
import { type PendingFile, writeAtomically } from "./atomic.js";
import { firstNotFinite } from "./dtypes.js";
import { folderExists, type JsonObject, readJsonObject, show } from "./json.js";
import { openSafetensors } from "./safetensors.js";
import { safetensorsFile, type WeightEntry } from "./safetensors-write.js";

/** A low-rank adapter apart from its base: how it counts, and its factors. */
export interface Adapter {
  readonly options: LoraOptions;
  readonly factors: Params;
}

const configFile = "adapter_config.json";
const weightsFile = "adapter_model.safetensors";
/** What PEFT puts before our names. */
const PREFIX = "base_model.model.";

/** Fields that would make another adapter of it, with the value that leaves it plain LoRA; absent and null do, too. */
const PLAIN: Readonly<Record<string, unknown>> = {
  bias: "none",
  use_rslora: false,
  use_dora: false,
  fan_in_fan_out: false,
  lora_bias: false,
  rank_pattern: {},
  alpha_pattern: {},
  modules_to_save: [],
  target_parameters: [],
  trainable_token_indices: [],
  use_qalora: false,
  layer_replication: null,
  alora_invocation_tokens: null,
};

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** r and α of a configuration. Errors: InputError for anything but plain LoRA. */
const readAdapterConfig = (path: string): { readonly rank: number; readonly alpha: number } => {
  const raw: JsonObject = readJsonObject(path);
  if (raw.peft_type !== "LORA")
    throw new InputError(`${path}: peft_type is ${show(raw.peft_type)}; only LORA adapters are read`);
  for (const [field, plain] of Object.entries(PLAIN))
    if (raw[field] != null && !same(raw[field], plain))
      throw new InputError(`${path}: ${field} is ${show(raw[field])}; only ${show(plain)} is supported`);
  const { r: rank, lora_alpha: alpha } = raw;
  if (!Number.isSafeInteger(rank) || (rank as number) < 1)
    throw new InputError(`${path}: r is ${show(rank)}; it must be an integer ≥ 1`);
  if (typeof alpha !== "number" || !(alpha > 0))
    throw new InputError(`${path}: lora_alpha is ${show(alpha)}; it must be a number > 0`);
  return { rank: rank as number, alpha };
};

/**
 * Reads a LoRA adapter as PEFT saves it: adapter_config.json and adapter_model.safetensors. Its modules are those that it
 * has factors for. Factors are constants on the host.
 * Errors: InputError, one line, for another kind of adapter, a tensor that does not belong to this model, is missing, of
 * another shape, or holds a NaN or an infinity.
 */
export const loadAdapter = (folder: string, config: ModelConfig): Adapter => {
  if (!folderExists(folder)) throw new InputError(`${folder}: no such folder`);
  const { rank, alpha } = readAdapterConfig(join(folder, configFile));
  const path = join(folder, weightsFile);
  const stored = openSafetensors(path);
  const modules = new Set<string>();
  for (const name of stored.tensors.keys()) {
    const [, module] = /^base_model\.model\.(.+)\.lora_[AB]\.weight$/.exec(name) ?? [];
    if (module === undefined) throw new InputError(`${path}: tensor "${name}" is no factor of a LoRA adapter`);
    modules.add(module);
  }
  if (modules.size === 0) throw new InputError(`${path}: holds no factors`);
  const options = { rank, alpha, targets: [...modules] };
  const factors = [...factorShapes(config, options)].map(([name, shape]) => {
    if (!stored.tensors.has(PREFIX + name)) throw new InputError(`${path}: tensor "${PREFIX}${name}" is missing`);
    const { data, shape: given } = stored.read(PREFIX + name);
    if (!sameShape(given, shape))
      throw new InputError(`${path}: tensor "${PREFIX}${name}" is [${given}]; model and r call for [${shape}]`);
    const broken = firstNotFinite(data);
    if (broken !== undefined)
      throw new InputError(`${path}: tensor "${PREFIX}${name}" holds ${data[broken]} at element ${broken}`);
    return [name, tensor(data, shape)] as const;
  });
  return { options, factors: Object.fromEntries(factors) };
};

/**
 * Writes an adapter as PEFT saves it, in F32; `base` names the model that it belongs to. All files or none.
 * Errors: InputError for factors that hold a NaN or an infinity, or files that cannot be written.
 */
export const saveAdapter = async (folder: string, { options, factors }: Adapter, base: string): Promise<void> => {
  const entries: WeightEntry[] = [];
  for (const [name, t] of Object.entries(factors)) {
    const data = Float32Array.from(await read(t));
    if (firstNotFinite(data) !== undefined)
      throw new InputError(`${folder}: not saved, "${name}" is not finite: the run has diverged; lower learning_rate`);
    entries.push({ name: PREFIX + name, shape: t.shape, data, dtype: "F32" });
  }
  const { rank = 16, alpha = 32 } = options;
  const modules = entries.map(({ name }) => name.slice(PREFIX.length, name.lastIndexOf(".lora_")));
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    inference_mode: true,
    ...{ r: rank, lora_alpha: alpha, lora_dropout: 0, bias: "none", fan_in_fan_out: false },
    target_modules: [...new Set(modules)],
  };
  const text = `${JSON.stringify(config, null, 2)}\n`;
  const description: PendingFile = {
    path: join(folder, configFile),
    write: (sink) => sink(Buffer.from(text, "utf8")),
  };
  writeAtomically([safetensorsFile(join(folder, weightsFile), entries), description]);
};
