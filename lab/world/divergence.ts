import type { TrainingBatch } from "../../align/data/rows.js";
import type { BatchTensors } from "../../align/objectives/log-probs.js";
import { predicting } from "../../align/objectives/log-probs.js";
import { batchTensors } from "../../align/training/reference.js";
import {
  cast,
  compile,
  type Device,
  dispose,
  less,
  logSumExp,
  mul,
  read,
  sizeOf,
  softmax,
  stack,
  sub,
  sum,
} from "../../core/index.js";
import { logits, type Params } from "../../models/index.js";
import { config } from "./model.js";

/**
 * KL(π‖π_ref) at the target positions of batches, mean over them, in nats: Σ_v p_v (s_v − r_v) − (lse s − lse r), with s and
 * r the logits of policy and reference and p = softmax(s).
 */
export const divergenceOf = (device: Device) => {
  const program = compile(
    (policy: Params, reference: Params, { ids, targets }: BatchTensors) => {
      const [ours, theirs] = [policy, reference].map((params) =>
        logits(params, config, predicting(params, config, ids, targets).hidden),
      );
      const crossed = sum(mul(softmax(ours), sub(ours, theirs)), -1);
      const kl = sub(crossed, sub(logSumExp(ours), logSumExp(theirs)));
      const real = cast(less(targets, sizeOf(ids.shape)), "f32");
      return stack([sum(mul(kl, real)), sum(real)]);
    },
    device,
    { name: "divergence" },
  );
  return async (policy: Params, reference: Params, batches: readonly TrainingBatch[]): Promise<number> => {
    let [total, targets] = [0, 0];
    for (const batch of batches) {
      const sums = program(policy, reference, batchTensors(batch, false));
      const [kl, count] = await read(sums).finally(() => dispose(sums));
      total += kl;
      targets += count;
    }
    return total / targets;
  };
};
