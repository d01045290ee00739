import { join } from "node:path";
import type { LoggedRecord } from "../../align/training/writer.js";
import { recordText } from "../../align/training/writer.js";
import type { TrainingValues } from "../options/takes.js";
import { bestOf } from "../parts/best.js";
import { inSteps, type Span } from "../parts/cadence.js";

export interface TrainerStateFacts {
  readonly values: TrainingValues;
  readonly records: readonly LoggedRecord[];
  readonly step: number;
  readonly span: Span;
}

const lastNumber = (records: readonly LoggedRecord[], name: string): number => {
  const found = records.findLast((record) => typeof record[name] === "number");
  return (found?.[name] as number | undefined) ?? 0;
};

/** `trainer_state.json` as Hugging Face's Trainer writes it, so that its readers and plotting scripts work. */
export const trainerState = ({ values, records, step, span }: TrainerStateFacts): string => {
  const { steps } = span;
  const best = bestOf(values, span, records);
  const checkpoint = best.checkpoint();
  return recordText(
    {
      best_global_step: best.record()?.step ?? null,
      best_metric: best.record()?.value ?? null,
      best_model_checkpoint: checkpoint === undefined ? null : join(values.output_dir, `checkpoint-${checkpoint}`),
      epoch: lastNumber(records, "epoch"),
      eval_steps: inSteps(values.eval_steps ?? values.logging_steps, steps),
      global_step: step,
      is_hyper_param_search: false,
      is_local_process_zero: true,
      is_world_process_zero: true,
      log_history: records,
      logging_steps: inSteps(values.logging_steps, steps),
      max_steps: steps,
      num_input_tokens_seen: lastNumber(records, "num_tokens"),
      num_train_epochs: Math.ceil(values.num_train_epochs),
      save_steps: inSteps(values.save_steps, steps),
      stateful_callbacks: {},
      total_flos: 0,
      train_batch_size: values.per_device_train_batch_size,
      trial_name: null,
      trial_params: null,
    },
    2,
  );
};
