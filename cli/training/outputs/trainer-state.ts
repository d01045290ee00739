import type { LoggedRecord } from "../../../align/training/writer.js";
import { recordText } from "../../../align/training/writer.js";
import type { TrainingValues } from "../checks/check.js";

export interface TrainerStateFacts {
  readonly values: TrainingValues;
  readonly records: readonly LoggedRecord[];
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
}

const lastNumber = (records: readonly LoggedRecord[], name: string): number => {
  const found = records.findLast((record) => typeof record[name] === "number");
  return (found?.[name] as number | undefined) ?? 0;
};

/** `trainer_state.json` as Hugging Face's Trainer writes it, so that its readers and plotting scripts work. */
export const trainerState = ({ values, records, step, steps }: TrainerStateFacts): string =>
  recordText(
    {
      best_global_step: null,
      best_metric: null,
      best_model_checkpoint: null,
      epoch: lastNumber(records, "epoch"),
      eval_steps: values.eval_steps ?? values.logging_steps,
      global_step: step,
      is_hyper_param_search: false,
      is_local_process_zero: true,
      is_world_process_zero: true,
      log_history: records,
      logging_steps: values.logging_steps,
      max_steps: steps,
      num_input_tokens_seen: lastNumber(records, "num_tokens"),
      num_train_epochs: Math.ceil(values.num_train_epochs),
      save_steps: values.save_steps,
      stateful_callbacks: {},
      total_flos: 0,
      train_batch_size: values.per_device_train_batch_size,
      trial_name: null,
      trial_params: null,
    },
    2,
  );
