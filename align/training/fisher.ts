import { asks, expects } from "../../core/expects.js";
import {
  add,
  compile,
  type Device,
  dispose,
  evaluate,
  evaluateEach,
  InputError,
  mul,
  read,
  square,
  type Tensor,
  treeMap,
  treeZip,
  zeros,
} from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { jointMask } from "../../optim/child-tuning.js";
import type { TrainingBatch } from "../data/rows.js";
import type { BatchTensors } from "../objectives/log-probs.js";
import type { Objective } from "../objectives/objective.js";
import { borrowed, feeder, type Weights } from "./reference.js";
import { gradients } from "./step.js";

/** What squared gradients are gathered of, and from how much. */
export interface FisherOptions {
  readonly objective: Objective;
  /** Where the gradient is taken. */
  readonly params: Params;
  /** Each is one sample of the gradient: of its mean loss. */
  readonly batches: Iterable<TrainingBatch>;
  /** The reference model, for batches that do not bring its log-probabilities. */
  readonly reference?: Weights;
}

/**
 * The empirical Fisher information of each weight: its squared gradient, averaged over batches. The caller owns the result.
 * Errors: InputError for batches without anything to learn.  Source: Xu et al. 2021.
 */
export const fisher = asks(
  "fisher",
  "record device",
  async ({ objective, params, batches, reference }: FisherOptions, device: Device): Promise<Params> => {
    const weights = borrowed(params, device);
    const { feed, close } = feeder(objective, reference, device);
    const gather = compile(
      (p: Params, batch: BatchTensors, scale: Tensor, squares: Params) => {
        const { grads, totals } = gradients(objective, p, batch, { scale }, {});
        return { squares: treeZip(([total, g]) => add(total, square(g)), squares, grads), totals };
      },
      device,
      { donate: [3], name: "squared gradients" },
    );
    let squares = evaluateEach(
      treeMap((w) => zeros(w.shape), weights.tree),
      device,
    );
    let seen = 0;
    try {
      for (const batch of batches) {
        const units = objective.units(batch);
        if (units === 0) continue;
        const before = squares;
        const next = feed(batch, (tensors) => gather(weights.tree, tensors, 1 / units, before));
        squares = next.squares;
        await read(next.totals).finally(() => dispose(next.totals)); // no queue grows without bound
        seen++;
      }
      if (seen === 0)
        throw new InputError("there is nothing to estimate Fisher information from: no batch has a target");
      return evaluate(
        treeMap((total) => mul(1 / seen, total), squares),
        device,
      );
    } finally {
      dispose(squares);
      close();
      weights.release();
      for (const program of gather.programs()) program.free();
    }
  },
);

/**
 * ChildTuning-D's mask: the share p of all weights, over all parameters together, whose Fisher information is largest; bool,
 * a tree like the weights. The caller owns it. Errors: as `fisher`; InputError unless p ∈ [0, 1].
 */
export const fisherMask = async (options: FisherOptions & { readonly p: number }, device: Device): Promise<Params> => {
  expects("fisherMask", "any device", options, device);
  const squares = await fisher(options, device);
  try {
    return evaluate(jointMask(squares, options.p), device);
  } finally {
    dispose(squares);
  }
};
