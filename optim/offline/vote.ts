import { add, cast, div, equal, greater, greaterEqual, less, mul, sign, type Tensor, where } from "../../core/index.js";

/** How the sign of an element is elected: by the sum of the weighted deltas, or by counting their signs. */
export type Vote = "sum" | "count";

const total = (parts: readonly Tensor[]): Tensor => parts.reduce((sum, part) => add(sum, part));

/**
 * Marks, for each weighted delta, the elements that have the elected sign; zero elects +, and a zero never has a sign.
 * [*S] each → f32 [*S] each, 1 where kept.  Source: Yadav et al. 2023 (TIES), as mergekit counts.
 */
export const elected = (weighted: readonly Tensor[], vote: Vote): Tensor[] => {
  const ballots = vote === "sum" ? weighted : weighted.map((x) => sign(x));
  const positive = greaterEqual(total(ballots), 0);
  return weighted.map((x) => where(positive, cast(greater(x, 0), "f32"), cast(less(x, 0), "f32")));
};

/**
 * Σ of the deltas that side with the vote; normalized, each element is divided by the weights of those kept there (a sum
 * of 0 counts as 1). Trap: normalized, a lone survivor counts in full, whatever its weight.
 */
export const mixElected = (
  weighted: readonly Tensor[],
  weights: readonly number[],
  { vote = "sum", normalize }: { readonly vote?: Vote; readonly normalize: boolean },
): Tensor => {
  const kept = elected(weighted, vote);
  const mixed = total(weighted.map((x, i) => mul(x, kept[i])));
  if (!normalize) return mixed;
  const divisor = total(kept.map((mask, i) => mul(mask, weights[i])));
  return div(mixed, where(equal(divisor, 0), 1, divisor));
};
