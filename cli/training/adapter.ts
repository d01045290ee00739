import { type AdapterTraining, adapterTraining } from "../../align/adapter.js";
import { trainingOptimizer } from "../../align/optimizer.js";
import { type Device, dispose, InputError, upload } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import { type LoraOptions, loraTargets } from "../../models/lora.js";
import type { Output } from "../output.js";
import { optimizerSettings, type TrainingValues } from "./check.js";
import type { Task } from "./task.js";

const keys = ["lora_r", "lora_alpha", "lora_target_modules"] as const;

/** The adapter that the keys ask for; undefined without use_peft. */
const adapterOptions = (values: TrainingValues): LoraOptions | undefined => {
  const { use_peft, lora_r: rank, lora_alpha: alpha, lora_target_modules: targets } = values;
  if (!use_peft) return undefined;
  const all = targets === undefined || (targets.length === 1 && targets[0] === "all-linear");
  return { rank, alpha, targets: all ? undefined : targets };
};

/** Errors: InputError for modules that the model has not, and for update rules that need weights to look back at. */
export const checkAdapter = (values: TrainingValues, config: ModelConfig, out: Output): void => {
  const options = adapterOptions(values);
  if (options === undefined) {
    const idle = keys.filter((key) => values[key] !== undefined);
    if (idle.length > 0)
      out.note(`note: ${idle.join(", ")} ${idle.length > 1 ? "do" : "does"} nothing without use_peft`);
    return;
  }
  loraTargets(config, options);
  const { usesTau, usesAnchor } = trainingOptimizer(optimizerSettings(values));
  if (usesTau || usesAnchor)
    throw new InputError(
      `use_peft: optim ${values.optim} looks at the reference model's weights, which an adapter's factors do not have; use adamw, or leave use_peft out`,
    );
};

/** Runs a task on the factors of an adapter instead of all weights, if the keys ask for it. */
export const withAdapter = async (
  task: Task,
  values: TrainingValues,
  device: Device,
  out: Output,
  run: (task: Task) => Promise<void>,
): Promise<void> => {
  const options = adapterOptions(values);
  if (options === undefined) return run(task);
  const { model, objective } = task;
  const base = upload(model.params, device);
  let adapter: AdapterTraining | undefined;
  try {
    adapter = adapterTraining(
      objective,
      { config: model.config, params: base },
      { ...options, seed: values.seed },
      device,
    );
    out.note(`adapter: ${described(adapter, model.params)}`);
    const { factors, merged } = adapter;
    await run({ ...task, model: { ...model, params: factors }, objective: adapter.objective, merged });
  } finally {
    dispose(base, adapter?.factors ?? {});
  }
};

const described = ({ factors }: AdapterTraining, whole: Task["model"]["params"]): string => {
  const count = (params: Task["model"]["params"]): number =>
    Object.values(params).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const [own, all] = [count(factors), count(whole)];
  return `${own} trainable parameters, ${((100 * own) / all).toFixed(2)} % of the model's`;
};
