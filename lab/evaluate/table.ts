import type { Scores } from "./kinds/kind.js";

/** What a row of the table needs of a task's result. */
interface Scored {
  readonly name: string;
  readonly category: string;
  readonly type: string;
  readonly scores: Scores;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Types that judges grade, which the paper's table keeps beside its average of benchmarks, and how it writes them. */
const BESIDE: Readonly<Record<string, { readonly head: string; readonly shown: (score: number) => string }>> = {
  mt_bench: { head: "MT-Bench", shown: (score) => (10 * score).toFixed(2) },
  alpaca_eval: { head: "AlpacaEval 2 (LC)", shown: (score) => (100 * score).toFixed(2) },
};

const isBeside = ({ type }: Scored): boolean => Object.hasOwn(BESIDE, type);

/**
 * Means of each category's tasks, and of the categories; MT-Bench and AlpacaEval 2 count in neither, unless there is nothing else.
 */
export const averages = (
  results: readonly Scored[],
): { readonly categories: Readonly<Record<string, number>>; readonly average: number } => {
  const counted = results.every(isBeside) ? results : results.filter((result) => !isBeside(result));
  const names = [...new Set(counted.map(({ category }) => category))];
  const of = (name: string): number => mean(counted.filter((r) => r.category === name).map((r) => r.scores.score));
  const categories = Object.fromEntries(names.map((name) => [name, of(name)]));
  return { categories, average: mean(Object.values(categories)) };
};

/** A row as in Table 1 of the paper: the categories' means in percent, their average, then what judges say. */
export const tableRow = (
  results: readonly Scored[],
  { categories, average }: { readonly categories: Readonly<Record<string, number>>; readonly average: number },
): readonly (readonly [head: string, cell: string])[] => {
  const percent = (share: number): string => (100 * share).toFixed(2);
  return [
    ...Object.entries(categories).map(([name, score]) => [name, percent(score)] as const),
    ["average", percent(average)],
    ...results
      .filter(isBeside)
      .map(({ type, scores }) => [BESIDE[type].head, BESIDE[type].shown(scores.score)] as const),
  ];
};
