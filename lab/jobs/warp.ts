import { preferenceObjective } from "../../align/objectives/objective.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { add, dispose, evaluate, mul, sub, type Tree, treeZip } from "../../core/index.js";
import type { Params } from "../../models/index.js";
import { mixing, slerp } from "../../optim/index.js";
import { config } from "../world/model.js";
import { runStage } from "../world/stages.js";
import { type Desk, unasked } from "./desk.js";
import { seedOf, type WarpJob } from "./job.js";

/** Below this sine two task vectors are parallel. */
const PARALLEL = 1e-6;

/**
 * The weights that WARP ends with, handed to `use`. In each round every run takes its own part of the pairs, a step on as many
 * as AdamW takes; round by round the same pairs.  Source: Ramé et al. 2024 (arXiv 2406.16768), algorithm 1, with DPO in the place of its policy gradient.
 */
export const warped = async <T>(job: WarpJob, desk: Desk, use: (weights: Params) => Promise<T>): Promise<T> => {
  const { of, training, learningRate, rounds, runs, mixup, eta } = job;
  const { device } = desk;
  if (training.loss === "kto") throw new Error("WARP learns from pairs");
  const { sft, batches } = desk.ground(of);
  const objective = preferenceObjective(config, { beta: training.beta, lossType: training.loss, tokenMetrics: false });
  const optimizer = trainingOptimizer(training.optimizer);
  const steps = Math.floor(batches.length / runs);
  const schedule = { ...of.alignment, steps, warmup: Math.min(of.alignment.warmup, steps), learningRate };
  const owned: Tree[] = [];
  const own = <P extends Tree>(tree: P): P => {
    owned.push(tree);
    return tree;
  };
  try {
    let start: Params = sft;
    let merged: Params = sft;
    for (let round = 0; round < rounds; round++) {
      const ended: Params[] = [];
      for (let run = 0; run < runs; run++) {
        const stage = {
          ...{ objective, optimizer, params: start, seed: seedOf(job) + run },
          batches: batches.slice(run * steps, (run + 1) * steps).map(unasked),
          reference: { config, params: start },
          referenceFollows: { by: mixing({ mixup, every: 1 }) },
        };
        ended.push(own(await runStage(stage, schedule, device)));
      }
      const from = start;
      // The i-th comes to 1/i of what is merged so far.
      const vectors = ended.map((params) => treeZip(([w, s]) => sub(w, s), params, from));
      const mean = vectors.reduce((sum, vector, i) =>
        treeZip(([a, b]) => slerp(a, b, 1 / (i + 1), PARALLEL), sum, vector),
      );
      merged = own(
        evaluate(
          treeZip(([s, d]) => add(s, d), from, mean),
          device,
        ),
      );
      start = own(
        evaluate(
          treeZip(([s, d]) => add(s, mul(eta, d)), from, mean),
          device,
        ),
      );
    }
    return await use(merged);
  } finally {
    dispose(...owned);
  }
};
