import type { TrainingValues } from "../options/takes.js";
import { movedBy } from "../parts/follows.js";

/** Keys of a run that decide its memory, as any training command has them. */
export type MemoryValues = TrainingValues & {
  readonly precompute_ref_log_probs?: boolean | "auto";
  readonly sync_ref_model?: boolean;
  readonly bema_update_ref_model?: boolean;
  /** Processes that train the model together. */
  readonly ranks?: number;
};

/** A change of keys that saves memory. */
export interface Remedy {
  /** The keys that it sets; undefined where that is so already, or does nothing. */
  readonly keys: (values: MemoryValues) => Partial<MemoryValues> | undefined;
  /** What else is to be said of it. */
  readonly note?: string;
}

/** The smallest divisor of n > 1 that is not 1. */
const firstDivisor = (n: number): number => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return d;
  return n;
};

/**
 * What saves memory, those first that change the least of what is learned. Law: every one lowers the plan of a run that it
 * is offered to.
 */
export const REMEDIES: readonly Remedy[] = [
  {
    keys: ({ gradient_checkpointing: recomputes }) =>
      recomputes === false ? { gradient_checkpointing: true } : undefined,
  },
  {
    keys: (values) =>
      values.precompute_ref_log_probs === false && !values.use_peft && movedBy(values) === undefined
        ? { precompute_ref_log_probs: true }
        : undefined,
  },
  {
    keys: ({ per_device_train_batch_size: rows, gradient_accumulation_steps: batches }) => {
      if (rows === 1) return undefined;
      const parts = firstDivisor(rows);
      return { per_device_train_batch_size: rows / parts, gradient_accumulation_steps: batches * parts };
    },
    note: "which trains the same",
  },
  {
    keys: ({ offload, use_peft, communicate, ranks = 1 }) =>
      offload === "none" && !use_peft && ranks === 1 && communicate !== "every_k"
        ? { offload: "optimizer" }
        : undefined,
  },
  { keys: ({ optim_state_dtype }) => (optim_state_dtype === "f32" ? { optim_state_dtype: "bf16" } : undefined) },
  {
    keys: ({ dtype, use_peft, communicate }) =>
      dtype === "float32" && !use_peft && communicate !== "every_k" ? { dtype: "bfloat16" } : undefined,
  },
  {
    keys: ({ max_length }) => (max_length >= 128 ? { max_length: Math.floor(max_length / 2) } : undefined),
    note: "which cuts longer rows",
  },
  {
    keys: (values) =>
      values.use_peft || values.optim !== "adamw" || movedBy(values) !== undefined ? undefined : { use_peft: true },
    note: "which trains an adapter",
  },
];

/** Keys with their values, as a YAML file has them. */
export const shownKeys = (keys: Partial<MemoryValues>): string =>
  Object.entries(keys)
    .map(([key, value]) => `${key}: ${value}`)
    .join(", ");

/** A remedy in words, for a run of these values. */
export const shownRemedy = ({ note }: Remedy, keys: Partial<MemoryValues>): string =>
  note === undefined ? shownKeys(keys) : `${shownKeys(keys)}, ${note}`;

/**
 * The first remedy that makes a run fit, or else the fewest of them, in order, that do together; undefined if all together
 * do not. `fits` plans a run of these values.
 */
export const firstThatFits = async <V extends MemoryValues>(
  values: V,
  fits: (values: V) => Promise<boolean>,
): Promise<string | undefined> => {
  const offered = REMEDIES.flatMap((remedy) => {
    const keys = remedy.keys(values);
    return keys === undefined ? [] : [{ remedy, keys }];
  });
  for (const { remedy, keys } of offered) if (await fits({ ...values, ...keys })) return shownRemedy(remedy, keys);
  let together = values;
  let keys: Partial<MemoryValues> = {};
  for (const remedy of REMEDIES) {
    const more = remedy.keys(together);
    if (more === undefined) continue;
    keys = { ...keys, ...more };
    together = { ...together, ...more };
    if (Object.keys(keys).length > 1 && (await fits(together))) return shownKeys(keys);
  }
  return undefined;
};
