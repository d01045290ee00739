import type { BatchSource, TrainingBatch } from "../align/data/rows.js";
import type { BatchTensors } from "../align/objectives/log-probs.js";
import { scoreTokens } from "../align/objectives/log-probs.js";
import { batchTensors } from "../align/training/reference.js";
import { add, compile, type Device, dispose, evaluate, mul, read, sub, type Tensor, treeZip } from "../core/index.js";
import type { ModelConfig } from "../models/config.js";
import type { Params } from "../models/parameters.js";
import { type Interval, interval } from "./analysis/interval.js";

/** A model θ_r + cτ on the data, against θ_r. */
export interface Drift {
  readonly c: number;
  /** Log-probability a token of the wanted answers: mean over rows. */
  readonly logp: number;
  /** Pairs only: chosen minus rejected, log-probabilities of whole answers; mean over pairs. */
  readonly margin?: number;
  /** What it gains over c = 0, paired by row, with the 95 % interval: of `margin` for pairs, else of `logp`. */
  readonly gain: Interval;
}

export interface Probe {
  readonly rows: number;
  readonly of: "logp" | "margin";
  readonly drifts: readonly Drift[];
  /** The drift that gains most for certain (its interval lies above 0); undefined: none does. */
  readonly best: Drift | undefined;
  /** `helps`: some c > 0 gains for certain; `hurts`: each c > 0 loses for certain; else `undecided`. */
  readonly verdict: "helps" | "hurts" | "undecided";
}

export interface ProbeOptions {
  readonly config: ModelConfig;
  /** θ_r, where alignment would start. */
  readonly reference: Params;
  /** θ_b; τ = θ_r − θ_b. */
  readonly base: Params;
  /** One epoch is read, in the order of the source. Of pairs: [chosen …; rejected …] with `examples`. */
  readonly source: BatchSource;
  readonly pairs: boolean;
  /** Values of c; 0 is always among them. */
  readonly at: readonly number[];
  readonly onShare?: (share: number) => void;
}

/** Per row of a batch: log-probability of its completion, and its tokens. */
interface Scored {
  readonly logps: ArrayLike<number>;
  readonly counts: readonly number[];
  readonly batch: TrainingBatch;
}

const targetsOf = ({ mask, rows, length }: TrainingBatch): number[] =>
  Array.from({ length: rows }, (_, row) => {
    let count = 0;
    for (let t = 1; t < length; t++) count += mask[row * length + t];
    return count;
  });

/** What counts of a batch: a mean log-probability for each real row, and a margin for each real pair. */
const rowValues = ({ logps, counts, batch }: Scored, pairs: boolean) => {
  const { rows, examples, lengths } = batch;
  const real = pairs ? (examples ?? rows / 2) : (lengths?.length ?? rows);
  const wanted = Array.from({ length: real }, (_, i) => logps[i] / Math.max(1, counts[i]));
  const margins = pairs ? wanted.map((_, i) => logps[i] - logps[rows / 2 + i]) : [];
  return { wanted, margins };
};

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * Evaluates θ_r + cτ for a few c: can a drift along τ, which is what online merging adds to every step, help on this data?
 * A run of T steps without rescaling drifts by c = Tα; with a fixed mask and 1/p a share p of the elements by c = Tα/p.
 * Data that was not trained on should be given. Memory: θ_r, τ, and one drifted copy while a batch is computed.
 */
export const probe = async (options: ProbeOptions, device: Device): Promise<Probe> => {
  const { config, reference, base, source, pairs, onShare = () => {} } = options;
  const cs = [...new Set([0, ...options.at])].sort((a, b) => a - b);
  const tau = evaluate(
    treeZip(([r, b]) => sub(r, b), reference, base),
    device,
  );
  const score = compile(
    (r: Params, t: Params, c: Tensor, { ids, targets }: BatchTensors) => {
      const drifted = treeZip(([w, d]) => add(w, mul(c, d)), r, t);
      return scoreTokens(drifted, config, ids, targets).logps;
    },
    device,
    { name: "probe" },
  );
  const wanted = cs.map((): number[] => []);
  const margins = cs.map((): number[] => []);
  try {
    for (let index = 0; index < source.batchesPerEpoch; index++) {
      const batch = source.at(index);
      const tensors = batchTensors(batch, false);
      const counts = targetsOf(batch);
      for (const [i, c] of cs.entries()) {
        const out = score(reference, tau, c, tensors);
        const logps = await read(out).finally(() => dispose(out));
        const values = rowValues({ logps, counts, batch }, pairs);
        wanted[i].push(...values.wanted);
        margins[i].push(...values.margins);
      }
      onShare((index + 1) / source.batchesPerEpoch);
    }
  } finally {
    dispose(tau);
    for (const program of score.programs()) program.free();
  }
  const judged = pairs ? margins : wanted;
  const zero = judged[cs.indexOf(0)];
  const drifts = cs.map((c, i): Drift => {
    const gain = interval(judged[i].map((value, row) => value - zero[row]));
    return { c, logp: meanOf(wanted[i]), ...(pairs && { margin: meanOf(margins[i]) }), gain };
  });
  return { rows: zero.length, of: pairs ? "margin" : "logp", drifts, ...verdictOf(drifts) };
};

/** What the gains say, whatever they are gains of. */
export const verdictOf = (drifts: readonly Drift[]): Pick<Probe, "best" | "verdict"> => {
  const forward = drifts.filter(({ c }) => c > 0);
  const sure = forward.filter(({ gain }) => gain.low > 0).sort((a, b) => b.gain.mean - a.gain.mean);
  const hurts = forward.length > 0 && forward.every(({ gain }) => gain.high < 0);
  return { best: sure[0], verdict: sure.length > 0 ? "helps" : hurts ? "hurts" : "undecided" };
};
