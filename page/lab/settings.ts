import type { OptimizerSettings } from "../../align/training/rules/settings.js";
import { ALIGNMENT, type AlignSetting, type World } from "../../lab/world/settings.js";
import { betas } from "../../lab/world/stages.js";

/** What the tab trains. The demo's world but for shorter batches: a minute on one thread. */
export interface Course extends World {
  readonly alignment: AlignSetting;
  /** Requests of each kind in an exam. */
  readonly perKind: number;
  /** Steps between exams, of base and tuning, and of an alignment. */
  readonly every: { readonly base: number; readonly sft: number; readonly alignment: number };
}

export const COURSE: Course = {
  base: { steps: 700, batch: 40, learningRate: 4e-3, warmup: 150, instructed: 0.03 },
  sft: { steps: 120, batch: 48, learningRate: 6e-4, warmup: 10 },
  alignment: ALIGNMENT,
  perKind: 24,
  every: { base: 25, sft: 10, alignment: 5 },
};

/** Decides data, weights and masks. */
export const SEED = 0;

export const BRANCH_NAMES = ["adamw", "ondare", "onties"] as const;
export type BranchName = (typeof BRANCH_NAMES)[number];

/** What a visitor turns. AdamW has no merging: the last three are the others'. */
export interface Knobs {
  readonly learningRate: number;
  readonly beta: number;
  readonly alpha?: number;
  readonly reserveP?: number;
  readonly onlineStep?: number;
}
export type KnobName = keyof Knobs;

/** A slider: its places, and what it is. */
export interface Knob {
  readonly symbol: string;
  readonly name: string;
  readonly about: string;
  readonly values: readonly number[];
}

export const KNOBS: Readonly<Record<KnobName, Knob>> = {
  learningRate: {
    symbol: "η",
    name: "learning rate",
    about: "How far a step goes. It moves skill and style more than any method does.",
    values: [1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 7e-5, 1e-4, 1.5e-4, 2e-4, 3e-4],
  },
  beta: {
    symbol: "β",
    name: "pull to the reference",
    about: "DPO's β: how dearly leaving the tuned model is paid for.",
    values: [0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1],
  },
  alpha: {
    symbol: "α",
    name: "merging weight",
    about: "How much of τ, what tuning taught, is mixed into every update.",
    values: [0, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 0.01, 0.02, 0.03, 0.1],
  },
  reserveP: {
    symbol: "p",
    name: "reserve rate",
    about: "The share of each update, and of τ, that is kept.",
    values: [0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1],
  },
  onlineStep: {
    symbol: "K",
    name: "merge every",
    about: "Merge at every K-th step only; plain steps between.",
    values: [1, 2, 5, 10, 20, 50],
  },
};

const online = { learningRate: 1e-4, beta: 0.1, alpha: 1e-3, reserveP: 0.3, onlineStep: 1 };

export const BRANCHES: Readonly<
  Record<BranchName, { readonly title: string; readonly about: string; readonly knobs: Knobs }>
> = {
  adamw: {
    title: "AdamW",
    about: "every update as it is",
    knobs: { learningRate: 1e-4, beta: 0.1 },
  },
  ondare: {
    title: "OnDARE",
    about: "random parts of each update, and of τ",
    knobs: online,
  },
  onties: {
    title: "OnTIES",
    about: "the largest parts, where they agree with τ",
    knobs: online,
  },
};

/** The optimizer that knobs ask for, as the lab's methods set it. */
export const optimizerSettings = (name: BranchName, { alpha, reserveP, onlineStep }: Knobs): OptimizerSettings => {
  const common = { optim: name, betas, eps: 1e-6, weightDecay: 0 };
  return name === "adamw" ? common : { ...common, mergePreset: "official", alpha, reserveP, onlineStep };
};
