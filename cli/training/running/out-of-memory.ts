import { InputError, OutOfMemoryError } from "../../../core/index.js";
import type { TrainingValues } from "../checks/check.js";

/** The smallest divisor of n > 1 that is not 1. */
const firstDivisor = (n: number): number => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return d;
  return n;
};

/** What saves memory, the most effective first; undefined where it is done already, or does nothing. */
const REMEDIES: readonly ((values: TrainingValues) => string | undefined)[] = [
  ({ per_device_train_batch_size: rows, gradient_accumulation_steps: batches }) => {
    if (rows === 1) return undefined;
    const parts = firstDivisor(rows);
    return `per_device_train_batch_size ${rows / parts} with gradient_accumulation_steps ${batches * parts}, which trains the same`;
  },
  ({ gradient_checkpointing }) => (gradient_checkpointing ? undefined : "gradient_checkpointing: true"),
  ({ max_length }) => `max_length below ${max_length}`,
  ({ use_peft, optim }) => (use_peft || optim !== "adamw" ? undefined : "use_peft: true, which trains an adapter"),
  ({ optim_state_dtype }) => (optim_state_dtype === "bf16" ? undefined : "optim_state_dtype: bf16"),
  ({ device }) => (device === "webgpu" ? undefined : "another device"),
];

const COUNT = 3;

/** An error of a training command, with what to do about it where the device had no room for a tensor. */
export const withRemedies = (error: unknown, values: TrainingValues): unknown => {
  if (!(error instanceof OutOfMemoryError)) return error;
  const mend = [
    ...REMEDIES.flatMap((remedy) => remedy(values) ?? []).slice(0, COUNT),
    error.lacking.remedy ?? [],
  ].flat();
  const [what] = error.message.split("\n");
  return new InputError(`${what}; try ${mend.join("; or ")}`);
};
