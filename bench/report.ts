import type { Device } from "../core/index.js";

/** One number of a run, as run.mjs gets it from a suite. */
export interface Metric {
  readonly device: string;
  readonly name: string;
  readonly value: number;
}

/** Hands a number with its name to run.mjs, which writes it with --json. Names end in their unit: `matmul_1024_gflops`. */
export const report = (device: Device["name"], name: string, value: number): void => {
  const rounded = Number(value.toPrecision(4));
  console.log(`  ${device} ${name} ${rounded}`);
  process.send?.({ device, name, value: rounded } satisfies Metric);
};

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
