import { add, complete, configure, cycle, suite } from "benny";

/** One thing to time. `check` runs first, once, and throws if the answer is wrong: a wrong kernel is never timed. */
export interface Case {
  readonly name: string;
  readonly check: () => void | Promise<void>;
  /** One call of what is timed. It returns when the work is done, not when it is queued. */
  readonly run: () => unknown;
  /** What one call works through, printed as a rate: `{ amount: 2 * M * N * K, unit: "FLOP" }`. */
  readonly work?: { readonly amount: number; readonly unit: string };
}

const prefixes = ["", "k", "M", "G", "T"] as const;

/** 3.2e9, "FLOP" → "3.2 GFLOP/s". */
const rate = (perSecond: number, unit: string): string => {
  const step = Math.min(prefixes.length - 1, Math.max(0, Math.floor(Math.log10(perSecond) / 3)));
  return `${(perSecond / 1000 ** step).toFixed(1)} ${prefixes[step]}${unit}/s`;
};

/** Checks every case, then times them one after another, and prints the rates. */
export const bench = async (name: string, cases: readonly Case[]): Promise<void> => {
  for (const { check } of cases) await check();
  const { results } = await suite(
    name,
    ...cases.map(({ name, run }) => add(name, run)),
    configure({ cases: { minSamples: 5, maxTime: 1 } }),
    // The running display redraws itself; in a pipe or a log it would be noise.
    ...(process.stdout.isTTY ? [cycle()] : []),
    complete(),
  );
  for (const [index, { work }] of cases.entries()) {
    const result = results[index];
    if (work === undefined || result === undefined) continue;
    console.log(`  ${result.name}: ${rate(work.amount / result.details.median, work.unit)} (median)`);
  }
};
