import { modelFingerprint } from "../../align/training/fingerprint.js";
import type { Workers } from "../../align/training/workers/workers.js";
import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import { RuleFile, ruleDigests } from "../options/rule-file.js";
import type { TrainingValues } from "../options/takes.js";
import type { Identity } from "../writing/claim.js";

/** What decides a run's numbers: its settings by key, and digests of what they name. A key that was not given is null. */
export type RunIdentity = Identity;

/** Keys that say where to, or how much is told: a resumed run may change them. */
const FREE: ReadonlySet<string> = new Set([
  ...["config", "json", "resume", "dry_run", "output_dir", "overwrite_output_dir", "save_steps", "save_total_limit"],
  ...["logging_steps", "logging_strategy", "logging_first_step", "save_strategy", "load_best_model_at_end"],
  ...["metric_for_best_model", "greater_is_better", "eval_dataset", "eval_tasks", "eval_strategy", "eval_steps"],
  ...["eval_delay", "eval_on_start", "per_device_eval_batch_size"],
  ...["ref_log_probs_cache", "offload", "device_memory", "push_to_hub", "hub_model_id", "hub_private_repo"],
  "dataset_config",
  "max_inflation",
  "max_row_bytes",
  "dataset_train_split",
  "dataset_test_split",
  "ddp_timeout",
]);

/** Keys that may change too, and what becomes of the law that the bits stay the same. */
const BENDING: Readonly<Record<string, string>> = {
  device: "from here on the numbers are those of another device",
  adapter: "from here on the numbers are those of another adapter",
  bits: "from here on multiply-adds round otherwise",
  gradient_checkpointing: "rounding may differ from here on",
  wire: "rounding may differ from here on",
  precompute_ref_log_probs: "rounding may differ from here on",
  max_steps: "the learning rate follows the new length, except with a constant schedule",
  num_train_epochs: "the learning rate follows the new length, except with a constant schedule",
};

/** Folders that are known by their content. */
const MODELS = [
  "model_name_or_path",
  "ref_model_name_or_path",
  "base_model_name_or_path",
  "adapter_name_or_path",
] as const;
/** Known by its rows. */
const DATA = "dataset_name";
const FOUND: ReadonlySet<string> = new Set([...MODELS, DATA, "retain_dataset"]);

/** Settings that decide a run's numbers. */
const settingsOf = (values: TrainingValues): RunIdentity["settings"] =>
  Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) =>
      FREE.has(key) || FOUND.has(key) ? [] : [[key, value instanceof RuleFile ? value.asSetting : (value ?? null)]],
    ),
  );

/** Values of a run on several ranks, as one process would have them; ranks that meet rarely are what the numbers are made by. */
export const overRanks = <V extends TrainingValues>(values: V, { size }: Pick<Workers, "size">): V => ({
  ...values,
  per_device_train_batch_size: values.per_device_train_batch_size * size,
  ...(values.communicate === "every_k" && { ranks: size }),
});

/** What is known of it before rows are read and a device is open. */
export const earlyIdentity = (values: TrainingValues): RunIdentity => {
  const { device: _, ...settings } = settingsOf(values);
  return { settings, digests: ruleDigests(values) };
};

/** Digests of a run's rows, and those of other rows by key. */
interface DataDigests {
  readonly fingerprint?: string;
  readonly others?: Readonly<Record<string, string>>;
}

/** The identity of the run that these values ask for, on such rows; `bits` are those of its device. */
export const identityOf = (
  values: TrainingValues,
  { fingerprint, others }: DataDigests,
  bits?: string,
): RunIdentity => {
  const settings = { ...settingsOf(values), ...(bits !== undefined && { bits }) };
  const digests: Record<string, string> = {
    ...ruleDigests(values),
    ...others,
    ...(fingerprint !== undefined && { [DATA]: fingerprint }),
  };
  const reference = values.ref_model_name_or_path ?? values.model_name_or_path;
  for (const key of MODELS) {
    const folder = key === "ref_model_name_or_path" ? reference : values[key];
    if (folder !== undefined) digests[key] = modelFingerprint(folder);
  }
  return { settings, digests };
};

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** How the rows of a step are cut into batches, over all ranks. */
const CUT: readonly string[] = ["per_device_train_batch_size", "gradient_accumulation_steps"];

/** Does a step hold the same rows, in other batches, and does nothing look at a batch as a whole? */
const cutOtherwise = (then: RunIdentity["settings"], now: RunIdentity["settings"]): boolean => {
  const rows = (settings: RunIdentity["settings"]) => CUT.reduce((n, key) => n * Number(settings[key]), 1);
  const losses = Array.isArray(now.loss_type) ? now.loss_type : [];
  return (
    rows(then) === rows(now) &&
    now.dataloader_drop_last !== true &&
    now.group_by_length !== true &&
    !losses.some((loss) => ["kto", "kto_pair", "sft"].includes(loss))
  );
};

/**
 * Compares a run with the one that left a checkpoint. Returns a line for every change that is allowed, and that may show.
 * Errors: InputError naming the keys whose change would make another run of it.
 */
export const checkSameRun = (checkpoint: string, then: RunIdentity, now: RunIdentity): string[] => {
  // What another version wrote may lack keys; those are not compared.
  const changed = Object.keys(now.settings).filter(
    (key) => Object.hasOwn(then.settings, key) && !same(then.settings[key], now.settings[key]),
  );
  const isCut = cutOtherwise(then.settings, now.settings);
  const refused = changed.filter((key) => !Object.hasOwn(BENDING, key) && !(isCut && CUT.includes(key)));
  const other = Object.keys(now.digests).filter(
    (key) => Object.hasOwn(then.digests, key) && then.digests[key] !== now.digests[key],
  );
  const said = [
    ...refused.map((key) => `${key} was ${show(then.settings[key])} and is ${show(now.settings[key])}`),
    ...other.map((key) => `${key} is not what it was`),
  ];
  if (said.length > 0)
    throw new InputError(
      `${checkpoint} belongs to another run: ${said.join(", ")}; resume with the settings of then, or start afresh in another output_dir`,
    );
  return changed.map(
    (key) =>
      `note: ${key} was ${show(then.settings[key])} and is ${show(now.settings[key])} now: ${BENDING[key] ?? "rounding may differ from here on"}`,
  );
};
