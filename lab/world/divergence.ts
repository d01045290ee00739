import type { TrainingBatch } from "../../align/data/source.js";
import { scoreTokens } from "../../align/objectives/log-probs.js";
import {
  compile,
  type Device,
  dispose,
  logSumExp,
  mul,
  read,
  softmax,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../core/index.js";
import type { Params } from "../../models/index.js";
import { config } from "./model.js";

/**
 * KL(π‖π_ref) at the target positions of batches, mean over them, in nats: Σ_v p_v (s_v − r_v) − (lse s − lse r), with s and
 * r the logits of policy and reference and p = softmax(s).
 */
export const divergenceOf = (device: Device) => {
  const program = compile(
    (policy: Params, reference: Params, ids: Tensor, mask: Tensor) => {
      const [ours, theirs] = [policy, reference].map((params) => scoreTokens(params, config, ids, mask));
      const crossed = sum(mul(softmax(ours.logits), sub(ours.logits, theirs.logits)), -1);
      const kl = sub(crossed, sub(logSumExp(ours.logits), logSumExp(theirs.logits)));
      return stack([sum(mul(kl, ours.counts)), sum(ours.counts)]);
    },
    device,
    { name: "divergence" },
  );
  return async (policy: Params, reference: Params, batches: readonly TrainingBatch[]): Promise<number> => {
    let [total, targets] = [0, 0];
    for (const { ids, mask, rows, length } of batches) {
      const sums = program(policy, reference, tensor(ids, [rows, length]), tensor(mask, [rows, length]));
      const [kl, count] = await read(sums).finally(() => dispose(sums));
      total += kl;
      targets += count;
    }
    return total / targets;
  };
};
