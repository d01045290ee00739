import type { OptimizerSettings } from "../align/training/rules/settings.js";
import type { MeetingOptions } from "../optim/index.js";
import type { AlignJob, Job, MeetJob, MergeJob, SftJob, Training, WarpJob } from "./jobs/job.js";
import { betas } from "./world/stages.js";

/** How Table 1 groups methods. */
export type Family = "plain" | "regularizer" | "offline merge" | "online merge" | "rival" | "proposal" | "control";

interface Common {
  readonly label: string;
  readonly family: Family;
  /** The setting in words, as the report tells it. */
  readonly about: string;
}

/** A rule that trains. */
interface Trained extends Common {
  readonly training: Training;
}

/** A merge of the tuned model with what AdamW made of it at the same learning rate. */
interface Merged extends Common {
  readonly merge: Omit<MergeJob, "kind" | "of">;
}

/** WARP, which trains and merges in turns. */
interface Warped extends Common {
  readonly warp: Omit<WarpJob, "kind" | "of" | "learningRate">;
}

/** Workers that meet. */
interface Met extends Common {
  readonly meet: Omit<MeetJob, "kind" | "of" | "learningRate">;
}

export type Method = Trained | Merged | Warped | Met;

/** Adam's ε in every rule; where the preset puts it inside the root, its square. */
const EPS = 1e-6;
const adamW: OptimizerSettings = { optim: "adamw", betas, eps: EPS, weightDecay: 0 };
const official = { ...adamW, mergePreset: "official" } as const;
const paper = { ...adamW, mergePreset: "paper", eps: EPS ** 2 } as const;

const dpo = (optimizer: OptimizerSettings, more: Partial<Training> = {}): Training => ({
  optimizer,
  loss: "sigmoid",
  beta: 0.1,
  ...more,
});

/** AdamW with DPO: what all others are compared with, and what offline merges start from. */
export const plainTraining: Training = dpo(adamW);

/** Reserve rate and merging weight of the online merges where they are not varied: A = Tα/p = 1/3 over 100 steps. */
const MERGING = { reserveP: 0.3, alpha: 1e-3 };
/** Of EMA: over 100 steps as much as the paper's best, 1e-3, over its 955. */
const EMA = { ...adamW, optim: "ema", emaCoefficient: 1e-2 } as const;
const child = { ...adamW, reserveP: 0.3 };

const trained = (label: string, family: Family, about: string, training: Training): Trained => ({
  label,
  family,
  about,
  training,
});
const merged = (label: string, about: string, merge: Merged["merge"]): Merged => ({
  label,
  family: "offline merge",
  about,
  merge,
});
const online = (optim: "ondare" | "onties", preset: OptimizerSettings, more: OptimizerSettings = {}): Training =>
  dpo({ ...preset, optim, ...MERGING, ...more });

/** Steps between meetings, and the workers that share a batch; their drift by τ comes to the online merges' A = 1/3 in 10 meetings. */
const MEETING = { training: plainTraining, workers: 4, gap: 10 };
const MEETING_ALPHA = 1 / 30;
/** Nesterov's momentum at a rate that leaves a steady step as it is, η = 1 − μ: learning rates then compare. */
export const OUTER = { outerMomentum: 0.5, outerLr: 0.5 };

const meets = (label: string, about: string, of: MeetingOptions): Met => ({
  label,
  family: "proposal",
  about: `AdamW on 4 workers that share each batch and meet every 10 steps; α 1/30, ${about}`,
  meet: { ...MEETING, meeting: { alpha: MEETING_ALPHA, ...of } },
});

/** Every method of Table 1, and the controls that train; one setting each at every learning rate of the shared grid. */
export const METHODS = {
  adamw: trained("AdamW", "plain", "DPO, β 0.1", plainTraining),
  kl: trained("KL", "regularizer", "DPO with β 0.3", dpo(adamW, { beta: 0.3 })),
  ema_shadow: trained("EMA (shadow)", "regularizer", "running average, c 0.01", dpo({ ...EMA, emaVariant: "shadow" })),
  ema_pullback: trained(
    "EMA (pullback)",
    "regularizer",
    "pulled back, c 0.01",
    dpo({ ...EMA, emaVariant: "pullback" }),
  ),
  childtuning_f: trained("ChildTuning-F", "regularizer", "p 0.3", dpo({ ...child, optim: "childtuning_f" })),
  childtuning_d: trained(
    "ChildTuning-D",
    "regularizer",
    "p 0.3, Fisher of 16 batches",
    dpo({ ...child, optim: "childtuning_d" }, { fisherBatches: 16 }),
  ),
  lora: trained("LoRA", "regularizer", "r 16, α 32, all linear layers", dpo(adamW, { lora: { rank: 16, alpha: 32 } })),
  linear: merged("Linear", "0.7 of AdamW's", { method: "linear", weight: 0.7, density: 1 }),
  dare: merged("DARE", "0.7 of AdamW's, density 0.7, rescaled by 1/density", {
    method: "dare_linear",
    weight: 0.7,
    density: 0.7,
    rescale: "density",
  }),
  ties: merged("TIES", "0.7 of AdamW's, density 0.7", { method: "ties", weight: 0.7, density: 0.7 }),
  ondare_official: trained("OnDARE (official)", "online merge", "p 0.3, α 1e-3", online("ondare", official)),
  ondare_paper: trained("OnDARE (paper)", "online merge", "p 0.3, α 1e-3", online("ondare", paper)),
  onties_official: trained("OnTIES (official)", "online merge", "p 0.3, α 1e-3", online("onties", official)),
  onties_paper: trained("OnTIES (paper)", "online merge", "p 0.3, α 1e-3", online("onties", paper)),
  tr_dpo: trained(
    "TR-DPO",
    "rival",
    "the reference moves, α 0.6 every 25 steps",
    dpo(adamW, { sync: { mixup: 0.6, every: 25 } }),
  ),
  bema: trained("BEMA", "rival", "every 5 steps, κ 0.5, η 0.2, ρ 10", dpo(adamW, { bema: { every: 5 } })),
  warp: {
    ...{ label: "WARP", family: "rival", about: "two rounds of two runs of half the steps, μ 0.05, η 0.3" },
    warp: { training: plainTraining, rounds: 2, runs: 2, mixup: 0.05, eta: 0.3 },
  },
  hma: {
    ...merged("HMA", "0.7 of AdamW's in the mean, three blocks by validation", {
      ...{ method: "linear", weight: 0.7, density: 1 },
      hma: { blocks: 3, step: 0.2 },
    }),
    family: "rival",
  },
  ogpsa: trained(
    "OGPSA",
    "rival",
    "gradients of 64 rows of tuning data and 64 of base text, every 10 steps",
    dpo(adamW, { retain: { use: "orthogonal", rows: 64, every: 10 } }),
  ),
  nspo: trained(
    "NSPO",
    "rival",
    "null spaces of 1024 rows of tuning data, σ below 1e-2 σ_max",
    // The paper's 5e-5 is for layers thousands wide; of 64 directions every one is read by more than that.
    dpo(adamW, { nullSpace: { rows: 1024, share: 1e-2 } }),
  ),
  onties_scaled: trained(
    "OnTIES, τ scaled",
    "proposal",
    "official, p 0.3, α 0.1 of each update's norm",
    online("onties", official, { tauScale: "update", alpha: 0.1 }),
  ),
  ondare_helpful: trained(
    "OnDARE, τ where it helps",
    "proposal",
    "official, p 0.3, α 1e-3, by 64 rows of tuning data",
    {
      ...online("ondare", official),
      retain: { use: "drift", rows: 64, every: 10 },
    },
  ),
  ondare_projected: trained(
    "OnDARE, projected",
    "proposal",
    "official, p 0.3, α 1e-3, in 16 directions of each gradient, taken anew every 25 steps",
    online("ondare", official, { projectionRank: 16, projectionInterval: 25 }),
  ),
  meet_mean: meets("Meeting, mean", "mean of updates", { join: "mean" }),
  meet_election: meets("Meeting, election", "signs elected", { join: "election" }),
  ondare_zero: trained("OnDARE, α = 0", "control", "official, p 0.3", online("ondare", official, { alpha: 0 })),
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as readonly MethodName[];

/** A method's training, where it has one of its own. */
export const trainingOf = (name: MethodName): Training => {
  const method: Method = METHODS[name];
  return "training" in method ? method.training : plainTraining;
};

/** The same training with other optimizer settings, β or loss. */
export const varied = (
  training: Training,
  optimizer: OptimizerSettings,
  more: Partial<Omit<Training, "optimizer">> = {},
): Training => ({ ...training, ...more, optimizer: { ...training.optimizer, ...optimizer } });

/** A preference run. AdamW's weights are kept: offline merges start from them. */
export const alignJob = (of: SftJob, training: Training, learningRate: number): AlignJob => ({
  kind: "align",
  of,
  training,
  learningRate,
  ...(training === plainTraining ? { keep: true } : {}),
});

/** A method's job at a learning rate. */
export const methodJob = (of: SftJob, name: MethodName, learningRate: number): Job => {
  const method: Method = METHODS[name];
  if ("training" in method) return alignJob(of, method.training, learningRate);
  if ("warp" in method) return { kind: "warp", of, learningRate, ...method.warp };
  if ("meet" in method) return { kind: "meet", of, learningRate, ...method.meet };
  return { kind: "merge", of: alignJob(of, plainTraining, learningRate), ...method.merge };
};
