/** What every engine does with a work: check, then time; the answer is one line of JSON on stdout. */
import { N, noise } from "./data.mjs";

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

const answer = (values) => console.log(JSON.stringify(values));

/** `multiply(a, b)` gives a product's numbers; `run` computes it without reading it. */
export const measureMatmul = async (read, run) => {
  const [a, b] = [noise(N * N, 1), noise(N * N, 2)];
  const out = await read();
  for (const [i, j] of [
    [0, 0],
    [N - 1, 3],
    [N >> 1, N - 5],
  ]) {
    let want = 0;
    for (let k = 0; k < N; k++) want += a[i * N + k] * b[k * N + j];
    if (!(Math.abs(out[i * N + j] - want) < 1e-3)) throw new Error(`[${i},${j}] is ${out[i * N + j]}, not ${want}`);
  }
  const times = [];
  for (let i = 0; i < 12; i++) {
    const before = performance.now();
    await run();
    times.push(performance.now() - before);
  }
  answer({ matmul_1024_gflops: (2 * N ** 3) / median(times.slice(2)) / 1e6 });
};

/** `step()` trains one step and gives the loss before it. The first losses are for comparison between engines. */
export const measureSteps = async (name, step, count) => {
  const times = [];
  const losses = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    losses.push(await step());
    times.push(performance.now() - before);
  }
  answer({
    [`${name}_step_ms`]: median(times.slice(2)),
    [`${name}_first_call_ms`]: times[0],
    losses: losses.slice(0, 5),
  });
};
