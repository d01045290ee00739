/** What is reported of labelled answers: means over the answers, or the targets, of each label; nothing over none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ktoMetrics, ktoTokenMetrics } from "../../../align/objectives/metrics.js";

const sums = {
  ...{ rows: 5, chosen: 1, rejected: 4, chosenReward: 0.5, rejectedReward: -2, chosenLogp: -3, rejectedLogp: -10 },
  ...{ batches: 2, kl: 0.25 },
};

test("kto's metrics are means by label, and kl a mean over batches", () => {
  assert.deepEqual(ktoMetrics(sums), {
    kl: 0.125,
    "rewards/chosen": 0.5,
    "logps/chosen": -3,
    "rewards/rejected": -0.5,
    "logps/rejected": -2.5,
    "rewards/margins": 1,
  });
});

test("one answer of a label is enough for its means; of none there is no mean, and no margin", () => {
  const names = (chosen: number, rejected: number) => Object.keys(ktoMetrics({ ...sums, chosen, rejected }));
  const [won, lost] = [
    ["rewards/chosen", "logps/chosen"],
    ["rewards/rejected", "logps/rejected"],
  ];
  assert.deepEqual(names(1, 1), ["kl", ...won, ...lost, "rewards/margins"]);
  assert.deepEqual(names(1, 0), ["kl", ...won]);
  assert.deepEqual(names(0, 1), ["kl", ...lost]);
});

test("kto's token metrics are means over the targets of a label", () => {
  const tokens = { chosenTargets: 1, rejectedTargets: 4, chosenLogits: 3, rejectedLogits: 2, entropy: 10 };
  assert.deepEqual(ktoTokenMetrics(tokens), { "logits/chosen": 3, "logits/rejected": 0.5, entropy: 2 });
  assert.deepEqual(ktoTokenMetrics({ ...tokens, chosenTargets: 4, rejectedTargets: 1 }), {
    "logits/chosen": 0.75,
    "logits/rejected": 2,
    entropy: 2,
  });
  assert.deepEqual(Object.keys(ktoTokenMetrics({ ...tokens, chosenTargets: 0 })), ["logits/rejected", "entropy"]);
});
