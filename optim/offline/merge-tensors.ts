import { expects } from "../../core/expects.js";
import {
  abs,
  add,
  bernoulli,
  div,
  foldIn,
  InputError,
  less,
  mul,
  ShapeError,
  sameShape,
  sub,
  sum,
  type Tensor,
  typeOf,
  where,
} from "../../core/index.js";
import { within } from "../check.js";
import { keepLargest, keepRandom, type Sparsifier } from "../sparsify.js";
import { MERGE_METHODS, type MergeMethod } from "./method.js";
import { slerp } from "./slerp.js";
import { mixElected, type Vote } from "./vote.js";

/** One model's part in a merge. */
export interface MergeSource {
  /** θ, [*S]. */
  readonly tensor: Tensor;
  /** w; negative weights subtract. */
  readonly weight: number;
  /** Share of δ that is kept, in [0, 1]. Default 1; `linear` and `task_arithmetic` keep all. */
  readonly density?: number;
}

/** How tensors are merged; defaults are mergekit's. */
export interface MergeOptions {
  readonly method: MergeMethod;
  /** Divide by the sum of weights. Default true for `linear` and `ties`. */
  readonly normalize?: boolean;
  /** λ: factor on what is added to the base. Default 1. */
  readonly lambda?: number;
  /** What is kept of δ gets δ's L1 norm ("l1"), or 1/density ("density", as DARE was published). Default l1 for DARE. */
  readonly rescale?: boolean | "l1" | "density";
  /** How signs are elected. Default "sum". */
  readonly vote?: Vote;
  /** Decides the Bernoulli masks: u32 [2]. Needed by DARE below density 1; the i-th source draws from fold i. */
  readonly key?: Tensor;
}

/** L1 norms below this are not matched. */
const SMALLEST_NORM = 1e-7;
/** Sums of weights below this are not divided by. */
const SMALLEST_WEIGHT = 1e-8;

/** F(x) · ‖x‖₁ / ‖F(x)‖₁; F alone where ‖F(x)‖₁ < 1e-7. mergekit's rescaling (optim's has other limits). */
const matchNorm =
  (sparsify: Sparsifier): Sparsifier =>
  (x, stream, draw) => {
    const kept = sparsify(x, stream, draw);
    const norm = sum(abs(kept));
    return mul(kept, where(less(norm, SMALLEST_NORM), 1, div(sum(abs(x)), norm)));
  };

const scaledBy =
  (factor: number, sparsify: Sparsifier): Sparsifier =>
  (x, stream, draw) =>
    mul(sparsify(x, stream, draw), factor);

/** F for one source. Density 1 keeps δ untouched, density 0 nothing: neither is rescaled. */
const sparsifierOf = (keeps: "random" | "largest", p: number, rescale: boolean | "l1" | "density"): Sparsifier => {
  if (p === 1) return (delta) => delta;
  const keep = keeps === "random" ? keepRandom(p) : keepLargest(p);
  if (p === 0 || rescale === false) return keep;
  return rescale === "density" ? scaledBy(1 / p, keep) : matchNorm(keep);
};

const call = (method: MergeMethod): string => `mergeTensors(${method})`;
const total = (parts: readonly Tensor[]): Tensor => parts.reduce((a, b) => add(a, b));
const totalWeight = (sources: readonly MergeSource[]): number => sources.reduce((sum, { weight }) => sum + weight, 0);

const check = (sources: readonly MergeSource[], like: Tensor, method: MergeMethod): void => {
  for (const { tensor, weight, density } of sources) {
    if (!sameShape(tensor.shape, like.shape))
      throw new ShapeError(`${call(method)}: ${typeOf(tensor)} and ${typeOf(like)} differ in shape`);
    if (!Number.isFinite(weight))
      throw new InputError(`${call(method)}: weight is ${weight}; it must be a finite number`);
    if (density !== undefined) within(call(method), "density", density, 0, 1);
  }
};

const averaged = (sources: readonly MergeSource[], normalize: boolean): Tensor => {
  const sum = totalWeight(sources);
  if (normalize && Math.abs(sum) < SMALLEST_WEIGHT)
    throw new InputError(
      `${call("linear")}: the weights sum to ${sum}, which cannot be divided by; change them, or set normalize: false`,
    );
  return total(sources.map(({ tensor, weight }) => mul(tensor, normalize ? weight / sum : weight)));
};

/** Below this the weights of two models on a circle say nothing, and both count alike. */
const SMALLEST_SUM = 1e-6;

/** Two models, or their differences to a base, along a circle. */
const along = (
  { method }: MergeOptions,
  parallel: number,
  sources: readonly MergeSource[],
  base: Tensor | undefined,
): Tensor => {
  if (sources.length !== 2) throw new InputError(`${call(method)}: there are ${sources.length} models; it takes two`);
  const sum = totalWeight(sources);
  const t = Math.abs(sum) < SMALLEST_SUM ? 0.5 : sources[1].weight / sum;
  const [a, b] = sources.map(({ tensor }) => (base === undefined ? tensor : sub(tensor, base)));
  const mixed = slerp(a, b, t, parallel);
  return base === undefined ? mixed : add(base, mixed);
};

const maskOf = ({ method, key }: MergeOptions, source: number, p: number, { shape }: Tensor): Tensor => {
  if (key === undefined) throw new InputError(`${call(method)}: needs a key for its random masks`);
  return bernoulli(foldIn(key, source), p, shape);
};

/**
 * Merges the same tensor of several models, all [*S] → [*S], with δᵢ = θᵢ − base:
 * ```text
 * linear            Σ wᵢ θᵢ / Σ wᵢ
 * task_arithmetic   base + λ Σ wᵢ δᵢ                    dare_linear  the same of F(δᵢ), F random
 * ties              base + λ vote(wᵢ F(δᵢ)) / Σ kept w, F the largest    dare_ties  the same, F random, not normalized
 * slerp, nuslerp    along the circle through θ₁ and θ₂, or with a base δ₁ and δ₂, w₂ / (w₁ + w₂) of the way (`slerp`)
 * ```
 * Laws: density 0 gives the base, never NaN; density 1 makes DARE plain; linear(w, 1−w) ≡ task arithmetic of the same.
 * Errors: InputError for other than two models on a circle, for weights that cancel where `linear` divides by them, density outside [0, 1], a missing base or key;
 * ShapeError for tensors of different shapes.  Sources: Ilharco et al. 2022, Yadav et al. 2023, Yu et al. 2023; mergekit.
 * @example mergeTensors([{ tensor: tensor([1, 3]), weight: 1 }, { tensor: tensor([3, 1]), weight: 1 }], undefined, { method: "linear" }) // [2, 2]
 */
export const mergeTensors = (
  sources: readonly MergeSource[],
  base: Tensor | undefined,
  options: MergeOptions,
): Tensor => {
  expects("mergeTensors", "records any record", sources, base, options);
  const { method, lambda = 1, vote } = options;
  if (!Object.hasOwn(MERGE_METHODS, method))
    throw new InputError(
      `mergeTensors: method "${method}" is not known; use one of ${Object.keys(MERGE_METHODS).join(", ")}`,
    );
  const { deltas, normalize: divides, circle } = MERGE_METHODS[method];
  const { normalize = divides } = options;
  if (sources.length === 0) throw new InputError(`${call(method)}: there is nothing to merge`);
  if (circle !== undefined) {
    check(sources, base ?? sources[0].tensor, method);
    return along(options, circle.parallel, sources, base);
  }
  if (deltas === undefined) {
    check(sources, sources[0].tensor, method);
    return averaged(sources, normalize);
  }
  if (base === undefined) throw new InputError(`${call(method)}: needs the base tensor; it merges δ = θ − base`);
  if (!Number.isFinite(lambda))
    throw new InputError(`${call(method)}: lambda is ${lambda}; it must be a finite number`);
  check(sources, base, method);
  const { sparse } = deltas;
  const weighted = sources.map(({ tensor, weight, density = 1 }, i) => {
    const delta = sub(tensor, base);
    if (sparse === undefined) return mul(delta, weight);
    const sparsify = sparsifierOf(sparse.keeps, density, options.rescale ?? sparse.rescale);
    return mul(
      sparsify(delta, "delta", (_, p) => maskOf(options, i, p, tensor)),
      weight,
    );
  });
  const sum = totalWeight(sources);
  const mixed = deltas.vote
    ? mixElected(
        weighted,
        sources.map(({ weight }) => weight),
        { vote, normalize },
      )
    : div(total(weighted), normalize && Math.abs(sum) >= SMALLEST_WEIGHT ? sum : 1);
  return add(base, mul(mixed, lambda));
};
