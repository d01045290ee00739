import type { TokenPair } from "../../align/data/sequence.js";
import { InputError } from "../../core/errors.js";
import { mean } from "../../lab/analysis/interval.js";
import type { Measured } from "../../lab/compare/measured.js";
import { batchesByLength } from "../../lab/evaluate/answers.js";
import type { Subject } from "../../lab/evaluate/model.js";
import { fingerprintOf, remembered, type Store } from "../../lab/evaluate/store.js";
import { MARGIN_BETA } from "../../lab/jobs/outcome.js";

/** The log-probabilities of pairs' answers under a model, in nats: chosen and rejected in turn. Errors: InputError for no numbers. */
export const pairLogps = async (
  pairs: readonly TokenPair[],
  model: Subject,
  { batchSize, ...store }: Store & { readonly batchSize: number },
): Promise<readonly number[]> => {
  const sequences = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
  const asked = sequences.map(({ ids, completionStart: start }) => ({ ids, start }));
  const lengths = asked.map(({ ids }) => ids.length);
  const compute = (some: readonly number[]) => model.logps(some.map((i) => asked[i]));
  const fingerprint = fingerprintOf(store.fingerprint, "pairs", batchSize, asked);
  const logps = await remembered({ ...store, fingerprint }, batchesByLength(lengths, batchSize), compute);
  const broken = logps.findIndex((logp) => !Number.isFinite(logp));
  if (broken >= 0)
    throw new InputError(
      `${sequences[broken].at ?? `pair ${broken >> 1}`}: its log-probability is ${logps[broken]}; the weights have diverged`,
    );
  return logps;
};

/** What a model has gained on pairs over another, by both's log-probabilities. */
export const pairMeasures = (logps: readonly number[], before: readonly number[]): NonNullable<Measured["pairs"]> => {
  const gains = logps.flatMap((_, i) => (i % 2 === 1 ? [] : [logps[i] - before[i] - (logps[i + 1] - before[i + 1])]));
  return {
    "rewards/accuracies": mean(gains.map((gain) => (gain > 0 ? 1 : gain === 0 ? 0.5 : 0))),
    "rewards/margins": MARGIN_BETA * mean(gains),
  };
};
