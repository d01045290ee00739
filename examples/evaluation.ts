/**
 * Evaluation: the perplexity of a model on held-out text, and how often a policy ranks the chosen answer above the rejected one.
 * Prints:
 *   perplexity of held-out rows: 14 at first
 *   4 after 10 steps, 12 after 40: too many for eight rows
 *   pairs ranked as asked: 100 %, margin 1.0
 */
import * as tg from "taugrad";
import {
  batchesFrom,
  completionObjective,
  evaluateOn,
  evaluatePreferences,
  lastOf,
  oneEpoch,
  sequenceSource,
  train,
} from "taugrad/align";
import { open } from "taugrad/devices";
import { initParams, type Params, parseConfig } from "taugrad/models";
import { adamW } from "taugrad/optim";

const sizes = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, vocab_size: 12 };
const rest = { max_position_embeddings: 32, rms_norm_eps: 1e-5, tie_word_embeddings: true };
const config = parseConfig({ model_type: "llama", ...sizes, ...rest }, "a small model");
/** Counting from n, by one: token 10 begins a row, and 11 ends it. */
const counted = (n: number) => [10, ...Array.from({ length: 6 }, (_, i) => (n + i) % 10), 11];
const row = (ids: number[]) => ({ ids, completionStart: 2 });
const batchesOf = (...starts: number[]) =>
  sequenceSource(
    starts.map((n) => row(counted(n))),
    { batchSize: 4, padId: 0 },
  );

const device = await open("auto");
const objective = completionObjective(config);
const params = tg.evaluate(initParams(config, tg.key(0)), device);
const trained = (steps: number) => {
  const batches = batchesFrom(batchesOf(0, 1, 2, 4, 5, 6, 8, 9));
  const run = { objective, params, optimizer: adamW(), batches, steps, learningRate: 0.01, loggingSteps: steps };
  return lastOf(train(run, device));
};
const perplexity = async (params: Params) => {
  const { loss } = await evaluateOn({ objective, params, batches: oneEpoch(batchesOf(3, 7)) }, device);
  return Math.exp(loss).toFixed(0);
};
const [early, late] = [await trained(10), await trained(40)];
console.log("perplexity of held-out rows:", await perplexity(params), "at first");
console.log(await perplexity(early), "after 10 steps,", await perplexity(late), "after 40: too many for eight rows");

const pairs = [3, 7].map((n) => ({ chosen: row(counted(n)), rejected: row(counted(n).reverse()) }));
const [policy, reference] = [early, params].map((params) => ({ config, params }));
const { metrics } = await evaluatePreferences(policy!, reference!, pairs, { padId: 0 }, device);
const [right, margin] = [metrics["rewards/accuracies"]!, metrics["rewards/margins"]!];
console.log(`pairs ranked as asked: ${100 * right} %, margin ${margin.toFixed(1)}`);
await device.close();
