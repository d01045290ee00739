import { pairLoss, REFERENCE_FREE, weightedLosses } from "../../align/objectives/losses.js";
import { BETA, type PreferenceOptions } from "../../align/objectives/objective.js";
import { driftOf } from "../../align/training/drift.js";
import { evaluateOn } from "../../align/training/evaluate.js";
import { type Device, dispose, evaluate, read, tensor } from "../../core/index.js";
import { type ModelConfig, ropeReach } from "../../models/index.js";
import type { TrainingValues } from "../options/takes.js";
import { checkMoves } from "../parts/follows.js";
import type { Task } from "../parts/task.js";
import type { Voice } from "../voice.js";
import { optimizerSettings } from "./check.js";

/** Further off than this is no rounding: policy and reference are not the same numbers. */
const TOLERANCE = 1e-3;

/** The loss where policy and reference agree: ln 2 for DPO. Undefined for losses that look at the policy alone. */
export const startLoss = async (
  { lossType = "sigmoid", lossWeights, beta = BETA, ...options }: PreferenceOptions,
  device: Device,
): Promise<number | undefined> => {
  const losses = weightedLosses(lossType, lossWeights, options);
  if (losses.some(([type]) => REFERENCE_FREE.includes(type))) return undefined;
  const [zero, one] = [tensor([0]), tensor([1])];
  const side = { policy: zero, reference: zero, tokens: one };
  const value = evaluate(pairLoss(losses, { chosen: side, rejected: side, real: one }, { beta, ...options }), device);
  return (await read(value).finally(() => dispose(value)))[0];
};

/**
 * Before the first step of a run whose policy is its reference: rewards are 0, and the loss is what it is there. Anything
 * else means that the two do not compute the same, and every reward of the run will be off; a line says so.
 */
export const checkStart = async (
  task: Task,
  expectedLoss: number | undefined,
  values: TrainingValues,
  device: Device,
  out: Voice,
): Promise<void> => {
  const { objective, model, source, reference } = task;
  const { ref_model_name_or_path: referenceFolder = values.model_name_or_path } = values;
  if (!objective.usesReference || referenceFolder !== values.model_name_or_path) return;
  const batches = [source.at(0)];
  const { loss, metrics } = await evaluateOn({ objective, params: model.params, batches, reference }, device);
  const wrong = ["rewards/chosen", "rewards/rejected"].filter((name) => Math.abs(metrics[name] ?? 0) > TOLERANCE);
  const found = wrong.map((name) => `${name} is ${metrics[name].toPrecision(3)}, not 0`);
  if (expectedLoss !== undefined && Math.abs(loss - expectedLoss) > TOLERANCE * Math.max(1, expectedLoss))
    found.push(`the loss is ${loss.toPrecision(5)}, not ${expectedLoss.toPrecision(5)}`);
  if (found.length > 0)
    out.note(
      `warning: before the first step policy and reference are the same, yet ${found.join(", ")}: the reference's log-probabilities are of other weights, rows or precision`,
    );
};

/** Fields of config.json that drop numbers at random while a model trains. */
const DROPOUTS = ["attention_dropout", "resid_pdrop", "embd_pdrop", "hidden_dropout"];

/**
 * Tells where a run is not what transformers would do with a model's config, or does as strange a thing: dropout, which there is
 * none of here, and longrope, by which a row's numbers depend on how long the rows beside it are.
 */
export const tellModel = (
  config: ModelConfig,
  { max_length: most }: Pick<TrainingValues, "max_length">,
  out: Voice,
): void => {
  for (const key of DROPOUTS) {
    const value = config.raw[key];
    if (typeof value === "number" && value > 0)
      out.note(`note: config.json has ${key} ${value}; training here drops nothing`);
  }
  const reach = ropeReach(config);
  if (reach < Number.POSITIVE_INFINITY && (most === undefined || most > reach))
    out.note(
      `note: by longrope, batches longer than ${reach} tokens turn otherwise, short rows in them too, as in transformers; max_length ${reach} avoids it`,
    );
};

/** Where skills are lost in the lab's runs, whichever the setting. */
const STRONG_DRIFT = 3;

/** Tells A, and warns where it is large, and where what follows the weights does not move. Errors: InputError, as `checkMoves`. */
export const tellDrift = (values: TrainingValues, steps: number, out: Voice): void => {
  checkMoves(values, steps, out);
  const drift = driftOf(optimizerSettings(values), steps);
  if (drift === undefined) return;
  const said = `${values.optim} drifts by A = ${drift.toPrecision(3)} reference deltas in ${steps} steps`;
  out.note(
    drift > STRONG_DRIFT
      ? `warning: ${said}; the best is near 1, and by 10 skills collapse (later where reserve_p is small): lower alpha`
      : said,
  );
};
