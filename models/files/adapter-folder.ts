import { asks, expects } from "../../core/expects.js";
import { InputError, read, sameShape, type Tensor, tensor } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { fileIn, jsonIn, textFile, together } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { inTurn, ready, type Soon, type Work } from "../folders/work.js";
import { folderFrom, workIn } from "../folders/work-in.js";
import { factorShapes, type LoraOptions, moduleOf } from "../lora/targets.js";
import type { Params } from "../parameters.js";
import { adapterConfig, adapterSettings } from "./adapter-config.js";
import { firstNotFinite } from "./dtypes.js";
import type { JsonObject } from "./json.js";
import { type SafetensorsFile, safetensorsOf } from "./safetensors.js";
import { safetensorsFile, type WeightEntry } from "./safetensors-write.js";

/** A low-rank adapter apart from its base: how it counts, and what it trains. */
export interface Adapter {
  readonly options: LoraOptions;
  readonly factors: Params;
  /** `lora_dropout`: the share of a factor's inputs that PEFT drops while it trains; nothing is dropped here. */
  readonly dropout?: number;
}

const configFile = "adapter_config.json";
const weightsFile = "adapter_model.safetensors";
/** What PEFT puts before our names. */
const PREFIX = "base_model.model.";

/** Modules that a file has factors for: names as PEFT stores them. */
const factored = (stored: Iterable<string>): string[] => [
  ...new Set([...stored].flatMap((name) => /^base_model\.model\.(.+)\.lora_[AB]\.weight$/.exec(name)?.slice(1) ?? [])),
];

/** How PEFT stores a tensor of ours: a module with factors is wrapped, and its bias lies one deeper. */
const storedName = (name: string, modules: ReadonlySet<string>): string => {
  const module = moduleOf(name);
  return PREFIX + (name.endsWith(".bias") && modules.has(module) ? `${module}.base_layer.bias` : name);
};

/** Errors: InputError for a tensor that the settings do not call for. */
const checkForeign = (stored: SafetensorsFile, wanted: ReadonlySet<string>): void => {
  const foreign = [...stored.tensors.keys()].find((name) => !wanted.has(name));
  if (foreign === undefined) return;
  if (/\.lora_([AB]\.weight|magnitude_vector)$/.test(foreign))
    throw new InputError(
      `${stored.path}: tensor "${foreign}" belongs to a module that ${configFile} gives no adapter (target_modules, exclude_modules, layers_to_transform, use_dora)`,
    );
  throw new InputError(
    `${stored.path}: tensor "${foreign}" is no factor of a LoRA adapter, and ${configFile} does not say that it is trained (modules_to_save, bias)`,
  );
};

/**
 * Reads a LoRA adapter as PEFT saves it: adapter_config.json and adapter_model.safetensors. Tensors are constants on the host.
 * Errors: InputError, one line, for another kind of adapter or a setting that would count otherwise than here, a tensor that
 * does not belong to it, is missing, of another shape, or holds a NaN or an infinity.
 */
export function loadAdapter(folder: string, config: ModelConfig): Adapter;
export function loadAdapter(folder: Folder, config: ModelConfig): Promise<Adapter>;
export function loadAdapter(folder: string | Folder, config: ModelConfig): Soon<Adapter> {
  expects("loadAdapter", "folder record", folder, config);
  return workIn(folder, (files) => adapterIn(files, config));
}

function* adapterIn(folder: Folder, config: ModelConfig): Work<Adapter> {
  if (!(yield* ready(folder.isThere()))) throw new InputError(`${folder.path}: no such folder`);
  yield* fileIn(folder, configFile);
  const description = (yield* jsonIn(folder, configFile)) as JsonObject;
  const { options: settings, dropout } = adapterSettings(description, folder.pathOf(configFile));
  const stored = yield* safetensorsOf(yield* fileIn(folder, weightsFile));
  const { path } = stored;
  const modules = factored(stored.tensors.keys());
  if (modules.length === 0) throw new InputError(`${path}: holds no factors`);
  const options: LoraOptions = { ...settings, targets: settings.targets ?? modules };
  const shapes = factorShapes(config, options);
  const wrapped = new Set(modules);
  const tensors = [...shapes].map(([name, shape]) => ({ name, shape, as: storedName(name, wrapped) }));
  checkForeign(stored, new Set(tensors.map(({ as }) => as)));
  const factors: Record<string, Tensor> = {};
  for (const { name, shape, as } of tensors) {
    if (!stored.tensors.has(as)) throw new InputError(`${path}: tensor "${as}" is missing`);
    const { data, shape: given } = yield* stored.read(as);
    if (!sameShape(given, shape))
      throw new InputError(`${path}: tensor "${as}" is [${given}]; model and ${configFile} call for [${shape}]`);
    const broken = firstNotFinite(data);
    if (broken !== undefined)
      throw new InputError(`${path}: tensor "${as}" holds ${data[broken]} at element ${broken}`);
    factors[name] = tensor(data, shape);
  }
  return { options, factors, dropout };
}

/**
 * Writes an adapter as PEFT saves it, in F32; `base` names the model that it belongs to. All files or none.
 * Errors: InputError for factors that hold a NaN or an infinity, or files that cannot be written.
 */
export const saveAdapter = asks(
  "saveAdapter",
  "folder record text",
  async (folder: string | Folder, { options, factors }: Adapter, base: string): Promise<void> => {
    const to = folderFrom(folder);
    const modules = factored(Object.keys(factors).map((name) => PREFIX + name));
    const wrapped = new Set(modules);
    const entries: WeightEntry[] = [];
    for (const [name, t] of Object.entries(factors)) {
      const data = Float32Array.from(await read(t));
      if (firstNotFinite(data) !== undefined)
        throw new InputError(
          `${to.path}: not saved, "${name}" is not finite: the run has diverged; lower learning_rate`,
        );
      entries.push({ name: storedName(name, wrapped), shape: t.shape, data, dtype: "F32" });
    }
    const text = `${JSON.stringify(adapterConfig(options, modules, base), null, 2)}\n`;
    const weights = safetensorsFile({ path: to.pathOf(weightsFile), begin: () => to.begin(weightsFile) }, entries);
    await inTurn(together([weights, textFile(to, configFile, text)]));
  },
);
