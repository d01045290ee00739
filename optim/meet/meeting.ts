import { asks, expects } from "../../core/expects.js";
import {
  add,
  cast,
  div,
  greater,
  InputError,
  maximum,
  mul,
  sign,
  type Tensor,
  type Tree,
  treeMap,
  treeZip,
  zeros,
} from "../../core/index.js";
import { belowOne, integerFrom, notNegative, within } from "../check.js";
import { weightedSum } from "../consensus.js";
import type { Draw } from "../rule.js";
import { keepLargest } from "../sparsify.js";

/** How the updates of workers that meet become one. */
export interface MeetingOptions {
  /** "mean": every element of every update counts; "election": signs are put to the vote. Default "mean". */
  readonly join?: "mean" | "election";
  /** F keeps the floor(p·n) largest of each worker's update, and of τ, in [0, 1]. Default 1. */
  readonly reserveP?: number;
  /** Merging weight α of the reference delta, in [0, 1]. Default 0: workers meet without τ. */
  readonly alpha?: number;
  /** What the step is multiplied by. Default 1; DiLoCo's 0.7. */
  readonly outerLr?: number;
  /** Of Nesterov's momentum over meetings, in [0, 1). Default 0: none is kept; DiLoCo's 0.9. */
  readonly outerMomentum?: number;
}

/** What a meeting keeps from one to the next: `velocity`, a tree like the weights, where there is a momentum; else nothing. */
export type MeetingState<P extends Tree> = { readonly velocity?: P };

/** What is summed over workers last: what counts of their updates, and in an election how many have a part in each element. */
export type Counted<P extends Tree> = { readonly kept: P; readonly voters?: P };

/** What all workers know when one step is made: how many they are, τ as `prepare` gave it, and the vote of an election. */
export interface Known<P extends Tree> {
  readonly workers: number;
  readonly tau?: P;
  readonly vote?: P;
}

/**
 * Workers that make K local steps each and then become one, by sums over workers alone, so that none has to see another's update:
 * ```text
 * said = says(Δ_i)  ─ Σ ─▶  vote = elect(Σ said)  ─▶  counts(said, vote)  ─ Σ ─▶  finish(state, Σ counted)
 * ```
 * A mean has no `elect`, and takes the second sum alone.
 */
export interface Meeting {
  readonly usesTau: boolean;
  readonly init: <P extends Tree>(params: P) => MeetingState<P>;
  /** F(τ), once, before the first meeting. */
  readonly prepare: <P extends Tree>(refDelta: P) => P;
  /** F(Δ_i): what a worker says of its update Δ_i = θ_i − θ. */
  readonly says: <P extends Tree>(delta: P) => P;
  /** The elected signs, −1, 0 or 1, when all have said `total` = Σ F(Δ_i). */
  readonly elect?: <P extends Tree>(total: P, known: Known<P>) => P;
  /** What counts of what one worker said. */
  readonly counts: <P extends Tree>(said: P, vote?: P) => Counted<P>;
  /** The step of all from θ, when `counted` is summed over workers. */
  readonly finish: <P extends Tree>(
    state: MeetingState<P>,
    counted: Counted<P>,
    known: Known<P>,
  ) => { readonly state: MeetingState<P>; readonly step: P };
}

/** Largest elements are not drawn. */
const noDraw: Draw = () => {
  throw new InputError("meeting: no mask is drawn");
};

/** 1 where an element has the elected sign, else 0. */
const sides = (x: Tensor, vote: Tensor): Tensor => cast(greater(mul(sign(x), vote), 0), "f32");

/**
 * N workers made K local steps each from θ; of their updates Δ_i and τ one step is made, all [*S]:
 * ```text
 * mean:      M = (1−α)·(1/N)·Σ F(Δ_i) + α·F(τ)
 * election:  s = sign of that M;  M = (1−α)·(mean of the F(Δ_i) of sign s) + α·(F(τ) where its sign is s)
 * then       v ← μv + M,  θ ← θ + η·(M + μv)             (plain, θ + ηM, where μ = 0)
 * ```
 * The momentum takes τ's part with it: a constant M comes to η/(1−μ) times itself a meeting.
 * Laws: one worker's mean, without τ, is its own update; one worker's election is the paper's OnTIES with step-K; the order of
 * workers changes nothing; workers of one update are one worker; where all signs agree and p = 1, election is mean.
 * Errors: InputError unless p, α ∈ [0, 1], η ≥ 0, μ ∈ [0, 1).
 * Sources: step-K, Lu et al. 2024, Alg. 2; the election, Yadav et al. 2023 (TIES); the outer step, Douillard et al. 2023 (DiLoCo,
 * arXiv 2311.08105). That workers and τ vote together is this project's own.
 * @example meeting({ join: "election", reserveP: 0.5, alpha: 1e-3, outerLr: 0.7, outerMomentum: 0.9 })
 */
export const meeting = asks("meeting", "record", (options: MeetingOptions): Meeting => {
  const { join = "mean", reserveP = 1, alpha = 0, outerLr = 1, outerMomentum: momentum = 0 } = options;
  if (join !== "mean" && join !== "election")
    throw new InputError(`meeting: join is "${join}"; it must be "mean" or "election"`);
  within("meeting", "reserveP", reserveP, 0, 1);
  within("meeting", "alpha", alpha, 0, 1);
  notNegative("meeting", "outerLr", outerLr);
  belowOne("meeting", "outerMomentum", momentum);
  const [usesTau, votes] = [alpha > 0, join === "election"];
  const keep = keepLargest(reserveP);
  const largest = <P extends Tree>(tree: P): P => treeMap((x) => keep(x, "delta", noDraw), tree);

  /** What all of them are to look at. Where α = 0, nothing of τ is. */
  const look = <P extends Tree>(call: string, like: P, { workers, tau, vote }: Known<P>) => {
    integerFrom(`meeting.${call}`, "workers", workers, 1);
    if (usesTau && tau === undefined)
      throw new InputError(`meeting.${call} needs tau: prepare(refDelta) of the same meeting makes it`);
    if (call === "finish" && votes && vote === undefined)
      throw new InputError("meeting.finish needs the vote: elect(total, known) makes it");
    return { reference: usesTau ? (tau as P) : treeMap((x) => zeros(x.shape), like), vote };
  };

  return {
    usesTau,
    init: (params) => (momentum === 0 ? {} : { velocity: treeMap((w) => zeros(w.shape), params) }),
    prepare: largest,
    says: largest,
    ...(votes && {
      elect: (total, known) => {
        const { reference } = look("elect", total, known);
        return treeZip(([all, t]) => sign(weightedSum(div(all, known.workers), t, alpha)), total, reference);
      },
    }),
    counts: (said, vote) => {
      if (!votes) return { kept: said };
      if (vote === undefined) throw new InputError("meeting.counts needs the vote: elect(total, known) makes it");
      const voters = treeZip(([x, s]) => sides(x, s), said, vote);
      return { kept: treeZip(([x, mine]) => mul(x, mine), said, voters), voters };
    },
    finish: (state, { kept, voters }, known) => {
      const { reference, vote } = look("finish", kept, known);
      const mean =
        voters === undefined
          ? treeMap((x) => div(x, known.workers), kept)
          : treeZip(([x, n]) => div(x, maximum(n, 1)), kept, voters);
      const drift = vote === undefined ? reference : treeZip(([t, s]) => mul(t, sides(t, s)), reference, vote);
      const merged = treeZip(([x, t]) => weightedSum(x, t, alpha), mean, drift);
      if (momentum === 0) return { state, step: treeMap((m) => mul(outerLr, m), merged) };
      const { velocity: before = treeMap((m) => zeros(m.shape), merged) } = state;
      const velocity = treeZip(([v, m]) => add(mul(momentum, v), m), before, merged);
      const step = treeZip(([m, v]) => mul(outerLr, add(m, mul(momentum, v))), merged, velocity);
      return { state: { velocity }, step };
    },
  };
});

/** The sum of trees of one structure, leaf by leaf. */
const sum = <P extends Tree>(trees: readonly P[]): P =>
  trees.reduce((all, tree) => treeZip(([a, b]) => add(a, b), all, tree));

/**
 * A meeting of workers that are all at hand: the step of all from θ, from the updates of each and τ as `prepare` gave it.
 * Errors: InputError for no update, or if τ is missing where α > 0; ShapeError unless all trees agree.
 */
export const meet = <P extends Tree>(
  meeting: Meeting,
  state: MeetingState<P>,
  deltas: readonly P[],
  tau?: P,
): { readonly state: MeetingState<P>; readonly step: P } => {
  expects("meet", "record record array", meeting, state, deltas);
  if (deltas.length === 0) throw new InputError("meet: no worker has an update");
  const said = deltas.map((delta) => meeting.says(delta));
  const known = { workers: deltas.length, tau };
  const vote = meeting.elect?.(sum(said), known);
  const counted = sum(said.map((one) => meeting.counts(one, vote)));
  return meeting.finish(state, counted, { ...known, vote });
};
