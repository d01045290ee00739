import { add, complete, configure, cycle, suite } from "benny";
import type { Device } from "../core/index.js";
import { report } from "./report.js";

/** One thing to time. `check` runs first, once, and throws if the answer is wrong: a wrong kernel is never timed. */
export interface Case {
  readonly name: string;
  readonly check: () => void | Promise<void>;
  /** One call of what is timed. It returns when the work is done, not when it is queued. */
  readonly run: () => unknown;
  /** What one call works through, printed as a rate: `{ amount: 2 * M * N * K, unit: "FLOP" }`. */
  readonly work?: { readonly amount: number; readonly unit: string };
  /** The number that is kept, from the median seconds of a call. */
  readonly metric?: { readonly name: string; readonly of: (seconds: number) => number };
}

/** Milliseconds, GFLOP/s and GB/s, as `metric` names them. */
export const inMilliseconds = (seconds: number): number => 1e3 * seconds;
export const inGiga =
  (amount: number) =>
  (seconds: number): number =>
    amount / seconds / 1e9;

const prefixes = ["", "k", "M", "G", "T"] as const;

/** 3.2e9, "FLOP" → "3.2 GFLOP/s". */
const rate = (perSecond: number, unit: string): string => {
  const step = Math.min(prefixes.length - 1, Math.max(0, Math.floor(Math.log10(perSecond) / 3)));
  return `${(perSecond / 1000 ** step).toFixed(1)} ${prefixes[step]}${unit}/s`;
};

/**
 * benny probes a case by calling it without waiting for the end; a case that carries state must not overlap itself. What
 * is not asynchronous stays so.
 */
const oneAtATime = (run: () => unknown): (() => unknown) => {
  let last: Promise<unknown> | undefined;
  return () => {
    if (last !== undefined) {
      last = last.then(run);
      return last;
    }
    const result = run();
    if (result instanceof Promise) last = result;
    return result;
  };
};

/** Calls longer than this are sampled twice only. */
const LONG_MS = 1000;

/** Checks every case, then times them one after another; prints the rates, and reports the metrics under the device. */
export const bench = async (name: string, cases: readonly Case[], device?: Device): Promise<void> => {
  const isLong: boolean[] = [];
  for (const { check, run } of cases) {
    await check();
    const before = performance.now();
    await run();
    isLong.push(performance.now() - before > LONG_MS);
  }
  const { results } = await suite(
    name,
    ...cases.map(({ name, run }, i) => add(name, oneAtATime(run), { minSamples: isLong[i] ? 2 : 5, maxTime: 1 })),
    configure({ cases: { minSamples: 5, maxTime: 1 } }),
    // The running display redraws itself; in a pipe or a log it would be noise.
    ...(process.stdout.isTTY ? [cycle()] : []),
    complete(),
  );
  for (const [index, { work, metric }] of cases.entries()) {
    const { median: seconds } = results[index].details;
    if (work !== undefined) console.log(`  ${results[index].name}: ${rate(work.amount / seconds, work.unit)} (median)`);
    if (metric !== undefined && device !== undefined) report(device.name, metric.name, metric.of(seconds));
  }
};
