import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type AdapterTraining, adapterTraining } from "../../align/training/adapter.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import type { Weights } from "../../align/training/reference.js";
import { type Device, dispose, InputError, upload } from "../../core/index.js";
import {
  type Adapter,
  hubNameOf,
  type LoraOptions,
  loadAdapter,
  loraDelta,
  loraTargets,
  type ModelConfig,
  type Params,
  saveAdapter,
  withLora,
} from "../../models/index.js";
import { optimizerSettings, samePlace } from "../checks/check.js";
import type { TrainingValues, Values } from "../options/takes.js";
import type { Parts } from "../recipe.js";
import { tellIdle, type Voice } from "../voice.js";
import { movedBy } from "./follows.js";
import type { Task } from "./task.js";

const keys = [
  ...(["lora_r", "lora_alpha", "lora_target_modules", "lora_modules_to_save", "use_rslora", "use_dora"] as const),
];
const givenKeys = (values: TrainingValues) => keys.filter((key) => values[key] !== undefined && values[key] !== false);

/** Where a run leaves its adapter, beside the merged model. */
const adapterIn = (outputDir: string): string => join(outputDir, "adapter");

/** The adapter to be trained, with its factors if they are those of the reference; undefined without use_peft. */
const adapterFor = (
  values: TrainingValues,
  config: ModelConfig,
): (Pick<Adapter, "options"> & Partial<Adapter>) | undefined => {
  const { use_peft, adapter_name_or_path: folder, lora_r: rank, lora_alpha: alpha } = values;
  if (!use_peft) return undefined;
  if (folder !== undefined) return loadAdapter(folder, config);
  const targets = targetModules(values.lora_target_modules);
  const { lora_modules_to_save: modulesToSave, use_rslora: rsLora, use_dora: dora } = values;
  return { options: { rank, alpha, targets, modulesToSave, rsLora, dora } };
};

/** Names, or what stands for them: "all-linear", or one regular expression. */
const targetModules = (given: readonly string[] | undefined): LoraOptions["targets"] => {
  if (given?.length !== 1) return given;
  const [only] = given;
  if (only === "all-linear") return undefined;
  return /^[\w.-]+$/.test(only) ? given : only;
};

/** What does not go with an adapter that is given. Errors: InputError. */
const checkGiven = (folder: string, values: TrainingValues): void => {
  const { use_peft, model_name_or_path: model, ref_model_name_or_path, base_model_name_or_path: base } = values;
  if (!use_peft)
    throw new InputError("adapter_name_or_path needs use_peft: true; the adapter's factors are what is trained");
  const [own] = givenKeys(values);
  if (own !== undefined)
    throw new InputError(`${own} is given beside adapter_name_or_path, whose own settings hold; leave ${own} out`);
  if (ref_model_name_or_path !== undefined)
    throw new InputError(
      "ref_model_name_or_path is given beside adapter_name_or_path; the reference is model_name_or_path with the adapter, leave it out",
    );
  if (base !== undefined && !(existsSync(base) && existsSync(model) && samePlace(base, model)))
    throw new InputError(
      `base_model_name_or_path is ${base}; with adapter_name_or_path the base is model_name_or_path, leave it out`,
    );
  for (const place of [values.output_dir, adapterIn(values.output_dir)])
    if (existsSync(place) && existsSync(folder) && samePlace(folder, place))
      throw new InputError(`adapter_name_or_path (${folder}) would be overwritten; choose another output_dir`);
};

/** Errors: InputError for modules that the model has not, and for update rules that need a reference to look back at. */
export const checkAdapter = (values: TrainingValues, config: ModelConfig, out: Voice): void => {
  const { adapter_name_or_path: folder, optim } = values;
  if (folder !== undefined) checkGiven(folder, values);
  const adapter = adapterFor(values, config);
  if (adapter === undefined) {
    const { lora_dropout = 0 }: TrainingValues & Partial<Pick<Values<"sft">, "lora_dropout">> = values; // sft's alone
    const idle = [...givenKeys(values), ...(lora_dropout > 0 ? ["lora_dropout"] : [])];
    tellIdle(out, idle, "without use_peft");
    return;
  }
  loraTargets(config, adapter.options);
  if (adapter.dropout)
    out.note(
      `WARNING: ${folder} has lora_dropout ${adapter.dropout}, which TRL would apply as it trains on; it is not applied here`,
    );
  const { usesTau, usesAnchor } = trainingOptimizer(optimizerSettings(values));
  if (usesTau && adapter.options.dora)
    throw new InputError(
      `use_peft: optim ${optim} drifts along τ, and with DoRA weights do not move along a line when their factors do; merge the adapter into a model and give that as ref_model_name_or_path, or choose another optim`,
    );
  if (adapter.factors === undefined && (usesTau || usesAnchor))
    throw new InputError(
      `use_peft: optim ${optim} looks at the reference, which must then be model_name_or_path with an adapter: give its folder (sft with use_peft writes one, OUT/adapter) as adapter_name_or_path, or leave use_peft out`,
    );
};

/** A reference model on the device; `release` frees what was made for it. */
export interface LoadedReference {
  readonly reference: Weights;
  readonly release: () => void;
}

/**
 * The reference model on the device. Weights that an adapter leaves as they are serve it too: as they are, or with the
 * adapter of adapter_name_or_path, which is added to them whenever the reference is asked. Else it is a copy of its own,
 * even where both come from one folder, since the policy moves.
 */
export const loadReference = <V extends TrainingValues, T>({
  values,
  config,
  device,
  load,
  frozen,
}: Pick<Parts<V, T>, "values" | "config" | "device" | "load" | "frozen">): LoadedReference => {
  const { ref_model_name_or_path: other, model_name_or_path, adapter_name_or_path: folder } = values;
  if (frozen === undefined || other !== undefined) {
    // One that moves is the loop's own copy.
    const reference = load(other ?? model_name_or_path, movedBy(values) === undefined ? device : undefined);
    return { reference, release: () => dispose(reference.params) };
  }
  if (folder === undefined) return { reference: { config, params: frozen }, release: () => {} };
  const { options, factors } = loadAdapter(folder, config);
  const here = upload(factors, device);
  return { reference: { config, params: withLora(frozen, here, config, options) }, release: () => dispose(here) };
};

/** What others call the model of a folder. */
const nameOf = (folder: string): string => hubNameOf(resolve(folder)) ?? folder;

/** Runs a task on the factors of an adapter over `frozen` weights instead of all weights, if the keys ask for it. */
export const withAdapter = async <R>(
  task: Task,
  frozen: Params | undefined,
  values: TrainingValues,
  device: Device,
  out: Voice,
  run: (task: Task) => Promise<R>,
): Promise<R> => {
  const { model, objective } = task;
  const adapter = adapterFor(values, model.config);
  if (adapter === undefined || frozen === undefined) return run(task);
  const { options, factors: from } = adapter;
  const base = { config: model.config, params: frozen };
  const training = adapterTraining(
    objective,
    base,
    { ...options, seed: values.seed, from, dropout: task.dropout },
    device,
  );
  const { factors, plain, merged } = training;
  try {
    out.note(`adapter: ${described(training, model.params)}`);
    return await run({
      ...task,
      model: { ...model, params: factors },
      objective: training.objective,
      adapted: { base: frozen, plain, merged },
      delta: () => loraDelta(factors, frozen),
      saveAdapter: (params) =>
        saveAdapter(adapterIn(values.output_dir), { options, factors: params }, nameOf(values.model_name_or_path)),
    });
  } finally {
    dispose(factors);
  }
};

const described = ({ factors }: AdapterTraining, whole: Task["model"]["params"]): string => {
  const count = (params: Task["model"]["params"]): number =>
    Object.values(params).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const [own, all] = [count(factors), count(whole)];
  return `${own} trainable parameters, ${((100 * own) / all).toFixed(2)} % of the model's`;
};
