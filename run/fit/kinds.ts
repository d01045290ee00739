/** Training commands. */
export const TRAINING_KINDS = ["dpo", "kto", "sft"] as const;
export type TrainingKind = (typeof TRAINING_KINDS)[number];
