import type { Job, Pool } from "./threads/pool.js";

/** Runs the launches one by one and prints milliseconds and number of launches by kind of step. */
export const printTimings = (
  jobs: readonly Job[],
  launches: readonly { readonly label: string }[],
  pool: Pick<Pool, "run">,
): void => {
  const spent = new Map<string, { ms: number; launches: number }>();
  jobs.forEach((job, i) => {
    const before = performance.now();
    pool.run(job);
    const { label } = launches[i];
    const known = spent.get(label) ?? { ms: 0, launches: 0 };
    spent.set(label, { ms: known.ms + performance.now() - before, launches: known.launches + 1 });
  });
  const lines = [...spent]
    .sort(([, a], [, b]) => b.ms - a.ms)
    .map(([label, { ms, launches: n }]) => `${label} ${ms.toFixed(2)} ms (${n})`);
  console.error(`cpu: ${lines.join(", ")}`);
};
