import { InputError } from "../../core/errors.js";
import type { LoraOptions } from "../lora/targets.js";
import { isObject, type JsonObject, show } from "./json.js";

/** How adapter_config.json is read: what PEFT's LoraConfig calls it → what it is here. */
type Read = (value: unknown, refuse: (why: string) => InputError, raw: JsonObject) => Partial<LoraOptions>;

/** A field that decides nothing about the numbers of an adapter that is loaded. */
const inert: Read = () => ({});

const isNumber = (value: unknown): value is number => typeof value === "number" && value > 0;
const isCount = (value: unknown): value is number => isNumber(value) && Number.isSafeInteger(value);
const isIndex = (value: unknown): value is number => value === 0 || isCount(value);
const isName = (value: unknown): value is string => typeof value === "string" && value !== "";

/** A field that holds a value of one kind, and the option it is. */
const of =
  <T>(option: keyof LoraOptions, fits: (value: unknown) => value is T, kind: string): Read =>
  (value, refuse) => {
    if (!fits(value)) throw refuse(`must be ${kind}`);
    return { [option]: value };
  };

const flag = (option: keyof LoraOptions) =>
  of(option, (value): value is boolean => typeof value === "boolean", "true or false");
const listOf =
  <T>(fits: (value: unknown) => value is T) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) && value.every(fits);
const tableOf =
  <T>(fits: (value: unknown) => value is T) =>
  (value: unknown): value is Record<string, T> =>
    isObject(value) && Object.values(value).every(fits);

/** Modules by name, or one regular expression; PEFT reads "all-linear" as every linear layer but the output matrix. */
const modules =
  (option: "targets" | "exclude"): Read =>
  (value, refuse) => {
    if (typeof value === "string") return value.toLowerCase() === "all-linear" ? {} : { [option]: value };
    return of(option, listOf(isName), "names of modules, or a regular expression")(value, refuse, {});
  };

const CONVERT = "have PEFT turn it into plain LoRA: save_pretrained(…, path_initial_model_for_weight_conversion=…)";

/** Where an adapter began. Some beginnings take their part out of the base, which is then another one than is loaded here. */
const beginning: Read = (value, refuse) => {
  if (typeof value === "boolean" || ["gaussian", "orthogonal", "eva"].includes(value as string)) return {};
  if (/^(pissa(_niter_\d+)?|olora|corda|lora_ga)$/i.test(String(value)))
    throw refuse(`its base is not the model itself but the model less what the adapter began with; ${CONVERT}`);
  if (value === "loftq") throw refuse("its base is a quantized model, which is not read here");
  if (value === "mica") throw refuse("its factor B stands still in training, which is not supported");
  throw refuse("is no beginning that is known here; known are true, false, gaussian, orthogonal and eva");
};

/**
 * Every field of PEFT's LoraConfig that is read, or that decides nothing here. Any other, of PEFT's today or to come, is
 * refused by name unless it is null, false or empty, which is off.
 */
const FIELDS: Readonly<Record<string, Read>> = {
  ...{ peft_type: inert, task_type: inert, auto_mapping: inert, peft_version: inert, inference_mode: inert },
  ...{ base_model_name_or_path: inert, revision: inert, runtime_config: inert },
  // What training drops of a factor's inputs: `loadAdapter` tells it apart.
  lora_dropout: inert,
  r: of("rank", isCount, "an integer ≥ 1"),
  lora_alpha: of("alpha", isNumber, "a number > 0"),
  target_modules: modules("targets"),
  exclude_modules: modules("exclude"),
  layers_to_transform: (value, refuse, raw) =>
    of("layers", listOf(isIndex), "numbers of layers")(Array.isArray(value) ? value : [value], refuse, raw),
  layers_pattern: (value, refuse) => {
    if (![value].flat().includes("layers")) throw refuse('the layers of these models are called "layers"');
    return {};
  },
  rank_pattern: of("ranks", tableOf(isCount), "expressions with a rank each, an integer ≥ 1"),
  alpha_pattern: of("alphas", tableOf(isNumber), "expressions with an α each, a number > 0"),
  use_rslora: flag("rsLora"),
  use_dora: flag("dora"),
  modules_to_save: of("modulesToSave", listOf(isName), "names of modules"),
  bias: of(
    "bias",
    (value): value is "none" => ["none", "all", "lora_only"].includes(value as string),
    "none, all or lora_only",
  ),
  init_lora_weights: beginning,
  // Speaks of layers that hold [in, out], which no module of these models does: PEFT turns it off for them.
  fan_in_fan_out: inert,
  // Settings of what is off, or of how factors once began.
  ...{ megatron_core: inert, qalora_group_size: inert, loftq_config: inert, eva_config: inert },
  ...{ corda_config: inert, lora_ga_config: inert },
  // Ties what `modules_to_save` names; a tied model is refused there.
  ensure_weight_tying: inert,
};

const isOff = (value: unknown): boolean =>
  value == null || value === false || (typeof value === "object" && Object.keys(value).length === 0);

/**
 * The settings of a LoRA adapter from PEFT's adapter_config.json. Defaults are PEFT's: r 8, α 8.
 * Errors: InputError naming the field, for another kind of adapter and for everything that would count otherwise than here.
 * Source: LoraConfig of huggingface/peft 0.21.
 */
export const adapterSettings = (
  raw: JsonObject,
  path: string,
): { readonly options: LoraOptions; readonly dropout: number } => {
  if (raw.peft_type !== "LORA")
    throw new InputError(`${path}: peft_type is ${show(raw.peft_type)}; only LORA adapters are read`);
  const parts = Object.entries(raw)
    .filter(([field, value]) => !isOff(value) || field === "init_lora_weights")
    .map(([field, value]) => {
      const refuse = (why: string): InputError => new InputError(`${path}: ${field} is ${show(value)}: ${why}`);
      if (!Object.hasOwn(FIELDS, field)) throw refuse("not supported, only plain LoRA, rsLoRA and DoRA are");
      return value == null ? {} : FIELDS[field](value, refuse, raw);
    });
  const options: LoraOptions = Object.assign({ rank: 8, alpha: 8 }, ...parts);
  if (typeof options.targets === "string" && options.layers !== undefined)
    throw new InputError(`${path}: layers_to_transform does not go with target_modules that is an expression`);
  return { options, dropout: Number(raw.lora_dropout ?? 0) };
};

/** PEFT's adapter_config.json of such settings; `modules` are those with factors. */
export const adapterConfig = (options: LoraOptions, modules: readonly string[], base: string): JsonObject => ({
  peft_type: "LORA",
  task_type: "CAUSAL_LM",
  base_model_name_or_path: base,
  inference_mode: true,
  ...{ r: options.rank ?? 16, lora_alpha: options.alpha ?? 32, lora_dropout: 0, bias: options.bias ?? "none" },
  fan_in_fan_out: false,
  target_modules: modules,
  ...(options.ranks && { rank_pattern: options.ranks }),
  ...(options.alphas && { alpha_pattern: options.alphas }),
  ...(options.rsLora && { use_rslora: true }),
  ...(options.dora && { use_dora: true }),
  ...(options.modulesToSave && { modules_to_save: options.modulesToSave }),
});
