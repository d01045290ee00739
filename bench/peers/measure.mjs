/** What is measured of a work, on every engine alike: that it is right, and how long it takes. */
import { N, noise } from "./data.mjs";

/**
 * Steps of a training that a process measures, by the work's name. Of an engine's works a product is { read, run }, where `read`
 * gives its numbers and `run` computes it without reading it; a training is a step that resolves to the loss before it.
 */
const STEPS = { regression: 60, mlp: 30, tiny: 10 };
/** The engines' losses may differ by as much as their roundings make of a training step. */
const TOLERANCE = 2e-3;
/** Losses that are compared. */
const COMPARED = 5;

/** What a work's time is called; a product's is a rate. */
export const NAMES = {
  matmul: "matmul_1024_gflops",
  regression: "regression_step_ms",
  mlp: "mlp_step_ms",
  tiny: "tiny_qwen2_step_ms",
};
/** GFLOP/s of a product that takes so many milliseconds. */
export const gflops = (ms) => (2 * N ** 3) / ms / 1e6;

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/** Errors: unless some numbers of the product are those of f64 sums. */
export const checkProduct = async ({ read }) => {
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
};

/** Do two engines train alike, by their first losses? */
export const agree = (losses, others) =>
  losses.length === others.length &&
  losses.every((loss, i) => Math.abs(loss - others[i]) <= TOLERANCE * Math.abs(loss));

/** The first steps of a training: their losses, for comparison between engines, and what the very first one took. */
export const begun = async (step) => {
  const before = performance.now();
  const losses = [await step()];
  const first = performance.now() - before;
  while (losses.length < COMPARED) losses.push(await step());
  return { losses, first };
};

/** Milliseconds of each of `count` calls. */
const timed = async (call, count) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    await call();
    times.push(performance.now() - before);
  }
  return times;
};

/** All that is told of a work, on an engine alone. */
export const measured = async (name, work) => {
  if (name !== "matmul") {
    const { losses, first } = await begun(work);
    const ms = median(await timed(work, STEPS[name] - COMPARED));
    return { [NAMES[name]]: ms, [NAMES[name].replace("_step_", "_first_call_")]: first, losses };
  }
  await checkProduct(work);
  await timed(work.run, 2);
  return { [NAMES[name]]: gflops(median(await timed(work.run, 10))) };
};
