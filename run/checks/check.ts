import { accessSync, constants, existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { mergesDelta, type OptimizerSettings, readsMergingKeys } from "../../align/training/rules/settings.js";
import { InputError, sameShape } from "../../core/index.js";
import { type ModelConfig, readConfig } from "../../models/config.js";
import { folderExists } from "../../models/files/json.js";
import { makeFolder, removeEmpty } from "../../models/files/writing/make-folder.js";
import { reasonOf } from "../../models/files/writing/system-error.js";
import { parameterShapes } from "../../models/parameters.js";
import { ruleOr } from "../options/rule-file.js";
import { mergingKeys, type TrainingValues } from "../options/takes.js";
import { checkFollows } from "../parts/follows.js";
import { checkMeets, meetsDelta } from "../parts/meets.js";
import { checkRetained } from "../parts/retained.js";
import { tellIdle, type Voice } from "../voice.js";

const merges = ({ optim }: TrainingValues): boolean => mergesDelta(ruleOr(optim));
const readsKeys = ({ optim }: TrainingValues): boolean => readsMergingKeys(ruleOr(optim));
/** Keys that speak to merging rules, but for those that the chosen rule reads too. */
const idleKeys = (values: TrainingValues) => {
  const { optim } = values;
  const others = [
    ...(String(optim).startsWith("childtuning") ? ["reserve_p"] : []),
    ...(merges(values) ? ["base_model_name_or_path"] : []),
  ];
  // Meetings read them.
  if (values.communicate === "every_k") return [];
  return readsKeys(values) ? [] : mergingKeys.filter((key) => !others.includes(key));
};

/** What the option table cannot say of a single key. Errors: InputError. */
export const checkTogether = (values: TrainingValues, out: Voice): void => {
  const { optim, max_steps, rescale, merge_preset, output_dir } = values;
  checkMeets(values, merges(values) || readsKeys(values));
  if (max_steps === 0) throw new InputError("max_steps is 0; it must be at least 1, or -1 to go by num_train_epochs");
  if (rescale === "l1" && merge_preset !== "official")
    throw new InputError("rescale: l1 belongs to the released code; add merge_preset: official, or leave rescale out");
  // Over an adapter the base is the model itself.
  if (merges(values) && values.base_model_name_or_path === undefined && !values.use_peft)
    throw new InputError(`optim ${optim} needs base_model_name_or_path, the model before SFT: τ = reference − base`);
  const idle = idleKeys(values).filter((key) => values[key] !== undefined);
  tellIdle(out, idle, `with optim ${optim}`);
  if (values.lr_by_reserve && (optim !== "onties" || values.reserve_p === 0))
    throw new InputError(
      `lr_by_reserve belongs to optim onties with reserve_p above 0; optim is ${optim}, leave lr_by_reserve out`,
    );
  if (values.fisher_batches !== undefined && optim !== "childtuning_d")
    throw new InputError(`optim ${optim}: fisher_batches has no meaning there; it belongs to childtuning_d`);
  const optimizer = trainingOptimizer(optimizerSettings(values));
  checkFollows(values, out);
  checkRetained(values, optimizer);
  for (const key of ["model_name_or_path", "ref_model_name_or_path", "base_model_name_or_path"] as const) {
    const folder = values[key];
    if (folder !== undefined && existsSync(output_dir) && existsSync(folder) && samePlace(folder, output_dir))
      throw new InputError(`output_dir is ${key} (${folder}), which would be overwritten; choose another folder`);
  }
};

/** Errors: InputError for an output folder that cannot be written to. */
export const checkOutput = ({ output_dir }: TrainingValues): void => {
  checkWritable("output_dir", output_dir);
  const taken = written.map((name) => join(output_dir, name)).find(folderExists);
  if (taken !== undefined)
    throw new InputError(`output_dir: ${taken} is a folder, and a file of that name is to be written; choose another`);
};

/**
 * The peak learning rate, on request scaled for OnTIES: of Adam's steps, whose elements are alike in size, the share p that is
 * kept is p^1/2 as long.
 */
export const peakLearningRate = ({ learning_rate, lr_by_reserve, reserve_p = 1 }: TrainingValues): number =>
  lr_by_reserve ? learning_rate / Math.sqrt(reserve_p) : learning_rate;

/** Files whose places must not be taken by folders. */
const written = [
  ...["metrics.jsonl", "config.json", "generation_config.json", "model.safetensors"],
  ...["trainer_state.json", "README.md", "loss.svg", "rewards.svg"],
] as const;

/**
 * Found out now rather than after hours: makes what is missing of the folder, and removes it again.
 * Errors: InputError unless `folder` is, or can become, a folder to write into.
 */
export const checkWritable = (key: string, folder: string): void => {
  let at = resolve(folder);
  // Below a file nothing exists, so the walk ends at that file.
  while (!existsSync(at)) at = dirname(at);
  // Ranks of one run try the same folder: what another made for its trial may be gone again, which is no fault.
  if (statSync(at, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new InputError(`${key}: ${at} is a file; choose a folder`);
  try {
    accessSync(at, constants.W_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new InputError(`${key}: ${at} cannot be written to; choose another folder, or change its permissions`);
  }
  try {
    removeEmpty(makeFolder(folder));
  } catch (error) {
    throw new InputError(`${key}: ${folder} cannot be made (${reasonOf(error)})`);
  }
};

/** Where a path leads; what is not there, or no longer, leads nowhere but to itself. */
const placeOf = (path: string): string => {
  try {
    return realpathSync(resolve(path));
  } catch {
    return resolve(path);
  }
};
/** Two spellings of one folder. */
export const samePlace = (a: string, b: string): boolean => placeOf(a) === placeOf(b);

/** The optimizer that the keys ask for. */
export const optimizerSettings = (values: TrainingValues): OptimizerSettings => ({
  optim: ruleOr(values.optim),
  baseOptim: ruleOr(values.base_optim),
  betas: [values.adam_beta1, values.adam_beta2],
  eps: values.adam_epsilon,
  momentum: values.momentum,
  weightDecay: values.weight_decay,
  emaVariant: values.ema_variant,
  emaCoefficient: values.ema_coefficient,
  l2Reference: values.l2_reference,
  projectionRank: values.projection_rank,
  projectionInterval: values.projection_interval,
  compensated: values.compensated,
  stateDtype: values.optim_state_dtype,
  // An adapter's factors are f32, as PEFT has them; dtype is that of the weights below it.
  weightsDtype: values.dtype === "bfloat16" && !values.use_peft ? "bf16" : "f32",
  reserveP: values.communicate === "every_k" || idleKeys(values).includes("reserve_p") ? undefined : values.reserve_p,
  ...(readsKeys(values) && {
    alpha: values.alpha,
    onlineStep: values.online_step,
    rescale: values.rescale === undefined ? undefined : values.rescale === "l1",
    mergePreset: values.merge_preset,
    tauScale: values.tau_scale,
  }),
});

/**
 * Values whose `dtype` is no longer auto: what the model's file has. Below an adapter weights stay as they are either way.
 * Errors: InputError for weights in f16, which cannot be trained as they are.
 */
export const withDtype = <V extends TrainingValues>(values: V): V => {
  if (values.dtype !== "auto") return values;
  const { dtype } = values.use_peft ? { dtype: "float32" as const } : readConfig(values.model_name_or_path);
  if (dtype === "float16")
    throw new InputError(
      `dtype: auto: ${values.model_name_or_path} is stored in float16, in which small updates are lost; set dtype: float32 or bfloat16`,
    );
  return { ...values, dtype };
};

/** Errors: InputError naming the first tensor in which two folders' configurations differ. */
export const checkSameShapes = (
  [folder, config]: readonly [string, ModelConfig],
  [otherFolder, other]: readonly [string, ModelConfig],
): void => {
  const [shapes, others] = [parameterShapes(config), parameterShapes(other)];
  for (const name of new Set([...shapes.keys(), ...others.keys()])) {
    const [a, b] = [shapes.get(name), others.get(name)];
    if (a !== undefined && b !== undefined && sameShape(a, b)) continue;
    const say = (shape: readonly number[] | undefined) =>
      shape === undefined ? "has none" : `has [${shape.join(", ")}]`;
    throw new InputError(
      `tensor "${name}": ${folder} ${say(a)}, ${otherFolder} ${say(b)}; the two must be one architecture`,
    );
  }
};

/** Errors: InputError unless two models have one vocabulary, so that one's token ids are the other's. */
export const checkSameVocabulary = (
  [folder, config]: readonly [string, ModelConfig],
  [otherFolder, other]: readonly [string, ModelConfig],
): void => {
  if (config.vocabSize !== other.vocabSize)
    throw new InputError(
      `${folder} has a vocabulary of ${config.vocabSize}, ${otherFolder} of ${other.vocabSize}; they must share a tokenizer`,
    );
};

/** Configurations of a run's models, checked against each other before any weight is read. */
export const readConfigs = (values: TrainingValues): ModelConfig => {
  const { model_name_or_path: folder, base_model_name_or_path: base } = values;
  const config = readConfig(folder);
  const reference = values.ref_model_name_or_path ?? folder;
  const referenceConfig = reference === folder ? config : readConfig(reference);
  checkSameVocabulary([folder, config], [reference, referenceConfig]);
  if (base !== undefined) checkSameShapes([base, readConfig(base)], [reference, referenceConfig]);
  if (merges(values) || meetsDelta(values) || trainingOptimizer(optimizerSettings(values)).usesAnchor)
    checkSameShapes([folder, config], [reference, referenceConfig]);
  return config;
};
