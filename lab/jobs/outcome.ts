import type { Score } from "../world/score.js";

/** A point of a learning curve. */
export interface CurvePoint {
  readonly step: number;
  readonly loss: number;
  /** Mean reward margin since the last point; preference training only. */
  readonly margin?: number;
}

/** Margins are told at this β, whatever was trained with, so that they compare. */
export const MARGIN_BETA = 0.1;

/** What a model turned out to be. */
export interface Measures {
  readonly validation: Score;
  readonly test: Score;
  /** On held-out pairs, at `MARGIN_BETA`: mean reward margin, share of positive ones. */
  readonly margin: number;
  readonly accuracy: number;
  /** KL(π‖π_ref) a token, mean over the answers of the first 64 held-out pairs, in nats. */
  readonly kl: number;
  /**
   * KL(π₀‖π) a token, π₀ the tuned model, mean over plain right answers, in nats: to prompts of the kinds that preferences speak
   * of, and to all others.  Source: Shenfeld et al. 2025 (arXiv 2509.04259), who find that forgetting follows the first.
   */
  readonly moved: { readonly new: number; readonly old: number };
}

/** What a job found out. */
export interface Outcome {
  readonly curve?: readonly CurvePoint[];
  readonly measures?: Measures;
  /** rms τ / rms θ of a tuned model. */
  readonly relativeDelta?: number;
}
