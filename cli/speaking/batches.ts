/** One sample of one prompt. */
export interface Job {
  readonly index: number;
  readonly sample: number;
}

/**
 * Every sample of every prompt, some at a time, prompts of about equal length together; `done` is told in order. A sample's
 * number is its random stream, so that a prompt gives what it gives alone.
 */
export const inBatches = async <T>(
  prompts: readonly { readonly ids: readonly number[] }[],
  { samples, size }: { readonly samples: number; readonly size: number },
  run: (rows: readonly (readonly number[])[], streams: readonly number[]) => Promise<readonly T[]>,
  done: (job: Job, result: T) => void,
): Promise<void> => {
  const jobs = prompts.flatMap((_, index) => Array.from({ length: samples }, (_, sample): Job => ({ index, sample })));
  const lengthOf = (at: number): number => prompts[jobs[at].index].ids.length;
  const order = [...jobs.keys()].sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
  const results = new Map<number, T>();
  let told = 0;
  for (let first = 0; first < order.length; first += size) {
    const batch = order.slice(first, first + size);
    const found = await run(
      batch.map((at) => prompts[jobs[at].index].ids),
      batch.map((at) => jobs[at].sample),
    );
    for (const [i, at] of batch.entries()) results.set(at, found[i]);
    for (; results.has(told); told++) {
      done(jobs[told], results.get(told) as T);
      results.delete(told);
    }
  }
};
