import { epochOrder } from "../../align/batch.js";
import { evaluateOn } from "../../align/evaluate.js";
import { completionObjective, preferenceObjective } from "../../align/objective.js";
import { referenceDelta } from "../../align/optimizer.js";
import { batchTensors, referenceAsker } from "../../align/reference.js";
import type { TrainingBatch } from "../../align/source.js";
import { type StepRecord, type TrainOptions, train } from "../../align/train.js";
import { type Device, dispose, evaluate, read } from "../../core/index.js";
import { generator, type Params } from "../../models/index.js";
import { adamW, type Optimizer, onDare, onTies } from "../../optim/index.js";
import type { Progress } from "../progress.js";
import { type Batch, baseBatch, pairBatch, sftBatch } from "./batch.js";
import { evaluationPrompts, preferencePairs } from "./documents.js";
import { config } from "./model.js";
import { ANSWER_TOKENS, type Score, score } from "./score.js";
import { END } from "./vocabulary.js";

/** How a stage tells what it does: a progress line, and its logged records. */
export interface Watch {
  readonly progress: (label: string, total: number) => Progress;
  readonly record: (stage: string, record: StepRecord) => void;
}

interface Stage extends Omit<TrainOptions, "scheduler" | "minRatio" | "loggingSteps"> {
  readonly name: string;
}

/** Adam as the lab sets it in every stage. */
const betas = [0.9, 0.99] as const;
const LOGGING_STEPS = 10;

/** One training run: warm-up, then cosine to 10 %. Gives the final weights. */
const runStage = async ({ name, ...options }: Stage, device: Device, watch: Watch): Promise<Params> => {
  const shown = watch.progress(name, options.steps);
  const run = train({ ...options, scheduler: "cosine", minRatio: 0.1, loggingSteps: LOGGING_STEPS }, device);
  let loss: number | undefined;
  let more: string | undefined;
  try {
    for (;;) {
      const { value, done } = await run.next();
      if (done === true) return value;
      if (value.record !== undefined) {
        watch.record(name, value.record);
        loss = value.record.loss;
        const margin = value.record["rewards/margins"];
        more = margin === undefined ? undefined : `margin ${margin.toFixed(2)}`;
      }
      if (loss !== undefined) shown.step(value.step, { loss, tokens: value.tokens, more });
    }
  } finally {
    shown.done();
  }
};

/** Batches made when they are needed: each is a function of its step. */
const made = function* (make: (step: number) => Batch): Generator<TrainingBatch> {
  for (let step = 0; ; step++) yield make(step);
};

/** The base model: 900 steps on lines of skills, loss on every token. */
export const trainBase = (seed: number, params: Params, device: Device, watch: Watch): Promise<Params> =>
  runStage(
    {
      name: "base",
      objective: completionObjective(config, { tokenMetrics: false }),
      params,
      optimizer: adamW({ betas, weightDecay: 0.01 }),
      batches: made((step) => baseBatch(seed, step, 48, { instructed: 0.03 })),
      steps: 900,
      learningRate: 4e-3,
      warmupSteps: 150, // with 50, half of the seeds learn four of the eight skills late or not at all
    },
    device,
    watch,
  );

/** The instruction-tuned model: 120 steps on requests and answers, loss on the answers. */
export const trainSft = (seed: number, params: Params, device: Device, watch: Watch): Promise<Params> =>
  runStage(
    {
      name: "sft",
      objective: completionObjective(config, { tokenMetrics: false }),
      params,
      optimizer: adamW({ betas, weightDecay: 0.01 }),
      batches: made((step) => sftBatch(seed, step, 64)),
      steps: 120,
      learningRate: 6e-4,
      warmupSteps: 10,
    },
    device,
    watch,
  );

const merging = { betas, eps: 1e-6, weightDecay: 0, preset: "official", reserveP: 0.3, alpha: 1e-3 } as const;
const plain = { betas, eps: 1e-6, weightDecay: 0 } as const;

/** The four alignments, all from the same model and on the same pairs. */
export const alignments: readonly { name: string; folder: string; optimizer: Optimizer; learningRate: number }[] = [
  { name: "DPO, AdamW 1e-4", folder: "adamw-1e-4", optimizer: adamW(plain), learningRate: 1e-4 },
  { name: "DPO, AdamW 4e-5", folder: "adamw-4e-5", optimizer: adamW(plain), learningRate: 4e-5 },
  { name: "DPO, OnDARE 1e-4", folder: "ondare-1e-4", optimizer: onDare(merging), learningRate: 1e-4 },
  { name: "DPO, OnTIES 1e-4", folder: "onties-1e-4", optimizer: onTies(merging), learningRate: 1e-4 },
];

/** Preference pairs in batches that carry the reference's log-probabilities, computed once. */
const referencedPairs = async (
  seed: number,
  split: "train" | "test",
  counts: { pairs: number; batch: number },
  sft: Params,
  device: Device,
): Promise<TrainingBatch[]> => {
  const pairs = preferencePairs(seed, split, counts.pairs);
  const order = split === "train" ? epochOrder(seed, 0, counts.pairs) : pairs.keys();
  const rows = Array.from(order, (i) => pairs[i]);
  const asker = referenceAsker({ config, params: sft }, device);
  try {
    const batches: TrainingBatch[] = [];
    for (let at = 0; at < rows.length; at += counts.batch) {
      const batch = pairBatch(rows.slice(at, at + counts.batch));
      const answer = asker.ask(batchTensors(batch, false));
      batches.push({ ...batch, reference: await read(answer).finally(() => dispose(answer)) });
    }
    return batches;
  } finally {
    asker.close();
  }
};

/** What every alignment starts from and is measured by. */
export interface Ground {
  readonly sft: Params;
  readonly refDelta: Params;
  readonly batches: readonly TrainingBatch[];
  readonly heldOut: readonly TrainingBatch[];
}

/** 2048 training pairs and 256 held-out pairs with their reference log-probabilities, and τ = θ_sft − θ_base. */
export const prepareAlignment = async (seed: number, base: Params, sft: Params, device: Device): Promise<Ground> => ({
  sft,
  refDelta: evaluate(referenceDelta(sft, base), device),
  batches: await referencedPairs(seed, "train", { pairs: 2048, batch: 16 }, sft, device),
  heldOut: await referencedPairs(seed, "test", { pairs: 256, batch: 64 }, sft, device),
});

const preference = preferenceObjective(config, { beta: 0.1, tokenMetrics: false });

/** 100 steps of DPO on 16 pairs each. */
export const align = (
  { name, optimizer, learningRate }: (typeof alignments)[number],
  { sft, refDelta, batches }: Ground,
  seed: number,
  device: Device,
  watch: Watch,
): Promise<Params> => {
  const stage = {
    name,
    objective: preference,
    params: sft,
    optimizer,
    batches,
    steps: 100,
    learningRate,
    warmupSteps: 10,
  };
  return runStage({ ...stage, seed, refDelta: optimizer.usesTau ? refDelta : undefined }, device, watch);
};

/** Mean reward margin on held-out pairs. */
export const marginOf = async (params: Params, { heldOut }: Ground, device: Device): Promise<number> => {
  const { metrics } = await evaluateOn({ objective: preference, params, batches: heldOut }, device);
  return metrics["rewards/margins"];
};

/** Prompts of each kind that a model is asked. */
const PROMPTS = 48;

/** Asks every kind of request, greedily, and judges the answers; one pair of programs serves all models. */
export const examiner = (seed: number, device: Device): ((params: Params) => Promise<Score>) => {
  const ask = generator(config, device);
  const prompts = evaluationPrompts(seed, "test", PROMPTS);
  return async (params) => {
    const ids = prompts.map((prompt) => prompt.ids);
    const rows = await ask(params, ids, { greedy: true, maxNewTokens: ANSWER_TOKENS, eosIds: [END] });
    return score(
      prompts.map(({ task }) => task),
      rows.map((row, i) => row.slice(ids[i].length)),
    );
  };
};
