import { crossEntropy, dot, type LogisticRow, lasso, logistic } from "./lasso.js";

/** One comparison of an instruction's answers. */
export interface Comparison {
  /** Characters of the baseline's answer and of the model's. */
  readonly lengths: readonly [baseline: number, model: number];
  /** The probability that the model's is better; undefined: the judge did not say. */
  readonly preference: number | undefined;
  readonly difficulty: number;
}

/** A row of AlpacaEval's df_gamed.csv: the baseline told to be short or long, against itself. */
export interface Gamed {
  readonly preference: number;
  readonly lengthDifference: number;
  readonly difficulty: number;
}

export interface LengthControlled {
  /** The mean probability of a win if lengths were equal. */
  readonly winRate: number;
  /** Of tanh(length difference), difficulty, and being no gamed baseline. */
  readonly weights: readonly number[];
}

/** What gamed rows count, of which there are two an instruction. */
const GAMED_WEIGHT = 0.2 / 2;
const FOLDS = 5;
const STRENGTHS = Array.from({ length: 10 }, (_, i) => 10 ** (-4 + (8 * i) / 9));

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** The standard deviation of a sample (n−1). */
const deviation = (values: readonly number[]): number => {
  const m = mean(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - m) ** 2, 0) / (values.length - 1));
};

/** The strength whose fits to four fifths lose least on the fifth that they have not seen. */
const strengthOf = (rows: readonly LogisticRow[]): number => {
  const foldOf = (i: number): number => (rows.length - 1 - i) % FOLDS;
  const losses = STRENGTHS.map((c) =>
    mean(
      Array.from({ length: FOLDS }, (_, fold) => {
        const w = lasso(
          rows.filter((_, i) => foldOf(i) !== fold),
          c,
        );
        const held = rows.filter((_, i) => foldOf(i) === fold);
        return crossEntropy(held, w) / held.length;
      }),
    ),
  );
  return STRENGTHS[losses.indexOf(Math.min(...losses))];
};

/**
 * AlpacaEval 2's length-controlled win rate: a logistic regression, with an L1 penalty whose strength is found on five folds, of
 * the preferences on tanh((baseline's length − model's) / deviation), the instruction's difficulty, and a constant that gamed
 * baselines do not have; its mean prediction where the lengths are equal.  Dubois et al. 2024, `length_controlled_v1`.
 * Needs two comparisons at least.
 */
export const lengthControlled = (
  comparisons: readonly Comparison[],
  gamed: readonly Gamed[],
  strength?: number,
): LengthControlled => {
  const differences = comparisons.map(({ lengths: [baseline, model] }) => baseline - model);
  const unit = deviation(differences) || 1;
  const own = comparisons.flatMap(({ preference, difficulty }, i): LogisticRow[] =>
    preference === undefined
      ? []
      : [{ x: [Math.tanh(differences[i] / unit), difficulty, 1], p: preference, weight: 1 }],
  );
  const others = gamed.map(
    ({ preference, lengthDifference, difficulty }): LogisticRow => ({
      ...{ x: [Math.tanh(lengthDifference), difficulty, 0], p: preference, weight: GAMED_WEIGHT },
    }),
  );
  const rows = [...others, ...own];
  const weights = lasso(rows, strength ?? strengthOf(rows));
  return { winRate: mean(comparisons.map(({ difficulty }) => logistic(dot(weights, [0, difficulty, 1])))), weights };
};
