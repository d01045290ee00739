import { join } from "node:path";
import { asks, expects } from "../../core/expects.js";
import { InputError, read, sameShape, tensor } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { factorShapes, type LoraOptions, moduleOf } from "../lora/targets.js";
import type { Params } from "../parameters.js";
import { adapterConfig, readAdapterConfig } from "./adapter-config.js";
import { firstNotFinite } from "./dtypes.js";
import { folderExists } from "./json.js";
import { openSafetensors, type Safetensors } from "./safetensors.js";
import { safetensorsFile, type WeightEntry } from "./safetensors-write.js";
import { type PendingFile, writeAtomically } from "./writing/atomic.js";

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
const checkForeign = (stored: Safetensors, wanted: ReadonlySet<string>): void => {
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
export const loadAdapter = (folder: string, config: ModelConfig): Adapter => {
  expects("loadAdapter", "text record", folder, config);
  if (!folderExists(folder)) throw new InputError(`${folder}: no such folder`);
  const { options: settings, dropout } = readAdapterConfig(join(folder, configFile));
  const path = join(folder, weightsFile);
  const stored = openSafetensors(path);
  const modules = factored(stored.tensors.keys());
  if (modules.length === 0) throw new InputError(`${path}: holds no factors`);
  const options: LoraOptions = { ...settings, targets: settings.targets ?? modules };
  const shapes = factorShapes(config, options);
  const wrapped = new Set(modules);
  const tensors = [...shapes].map(([name, shape]) => ({ name, shape, as: storedName(name, wrapped) }));
  checkForeign(stored, new Set(tensors.map(({ as }) => as)));
  const factors = tensors.map(({ name, shape, as }) => {
    if (!stored.tensors.has(as)) throw new InputError(`${path}: tensor "${as}" is missing`);
    const { data, shape: given } = stored.read(as);
    if (!sameShape(given, shape))
      throw new InputError(`${path}: tensor "${as}" is [${given}]; model and ${configFile} call for [${shape}]`);
    const broken = firstNotFinite(data);
    if (broken !== undefined)
      throw new InputError(`${path}: tensor "${as}" holds ${data[broken]} at element ${broken}`);
    return [name, tensor(data, shape)] as const;
  });
  return { options, factors: Object.fromEntries(factors), dropout };
};

/**
 * Writes an adapter as PEFT saves it, in F32; `base` names the model that it belongs to. All files or none.
 * Errors: InputError for factors that hold a NaN or an infinity, or files that cannot be written.
 */
export const saveAdapter = asks(
  "saveAdapter",
  "text record text",
  async (folder: string, { options, factors }: Adapter, base: string): Promise<void> => {
    const modules = factored(Object.keys(factors).map((name) => PREFIX + name));
    const wrapped = new Set(modules);
    const entries: WeightEntry[] = [];
    for (const [name, t] of Object.entries(factors)) {
      const data = Float32Array.from(await read(t));
      if (firstNotFinite(data) !== undefined)
        throw new InputError(
          `${folder}: not saved, "${name}" is not finite: the run has diverged; lower learning_rate`,
        );
      entries.push({ name: storedName(name, wrapped), shape: t.shape, data, dtype: "F32" });
    }
    const text = `${JSON.stringify(adapterConfig(options, modules, base), null, 2)}\n`;
    const description: PendingFile = {
      path: join(folder, configFile),
      write: (sink) => sink(Buffer.from(text, "utf8")),
    };
    writeAtomically([safetensorsFile(join(folder, weightsFile), entries), description]);
  },
);
