import { webgpu } from "../platform/node/webgpu.js";
import { MAP_READ, USAGE } from "./usage.js";

/** Queries that a set may have. */
const MOST = 4096;
const QUERY_RESOLVE = 0x200;

export const canTime = (device: GPUDevice): boolean => device.features.has("timestamp-query");

/** For DEBUG=timings where the adapter has no clock: milliseconds of a whole run, queueing included. */
export const printElapsed = (device: GPUDevice, launches: number): void => {
  const start = performance.now();
  const show = () =>
    console.error(`webgpu: ${(performance.now() - start).toFixed(2)} ms in ${launches} kernels (wall)`);
  webgpu.patiently(device.queue.onSubmittedWorkDone(), device).then(show, () => {});
};

/** For DEBUG=timings: one pass a kernel, with GPU timestamps around it; prints milliseconds by kind of kernel, all of them. */
export const timedPasses = (device: GPUDevice, encoder: GPUCommandEncoder) => {
  const sets: GPUQuerySet[] = [];
  const labels: string[] = [];
  let staging: GPUBuffer | undefined;
  return {
    begin: (label: string): GPUComputePassEncoder => {
      const at = (2 * labels.length) % MOST;
      if (at === 0) sets.push(device.createQuerySet({ type: "timestamp", count: MOST }));
      labels.push(label);
      const querySet = sets[sets.length - 1];
      const timestampWrites = { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
      return encoder.beginComputePass({ timestampWrites });
    },
    resolve: () => {
      const size = 16 * labels.length;
      const ticks = device.createBuffer({ size: Math.max(size, 16), usage: QUERY_RESOLVE | USAGE.copySource });
      staging = device.createBuffer({ size: Math.max(size, 16), usage: USAGE.copyTarget | USAGE.mapRead });
      for (const [i, set] of sets.entries())
        encoder.resolveQuerySet(set, 0, Math.min(MOST, 2 * labels.length - i * MOST), ticks, 8 * i * MOST);
      encoder.copyBufferToBuffer(ticks, 0, staging, 0, size);
      return ticks;
    },
    print: (ticks: GPUBuffer) => {
      const show = async () => {
        if (staging === undefined) return;
        await webgpu.patiently(staging.mapAsync(MAP_READ), device);
        const times = new BigUint64Array(staging.getMappedRange().slice(0));
        for (const line of timingLines(labels, times)) console.error(line);
        for (const one of [staging, ticks, ...sets]) one.destroy();
      };
      void show().catch(() => {}); // a lost device is reported elsewhere
    },
  };
};

/** Timings for people: `times` has the nanoseconds of begin and end of each kernel in turn. The slowest kind comes first. */
export const timingLines = (labels: readonly string[], times: BigUint64Array): string[] => {
  const sums = new Map<string, { ns: number; launches: number }>(); // whole nanoseconds: their sums are exact
  for (const [i, label] of labels.entries()) {
    const { ns, launches } = sums.get(label) ?? { ns: 0, launches: 0 };
    sums.set(label, { ns: ns + Number(times[2 * i + 1] - times[2 * i]), launches: launches + 1 });
  }
  const total = [...sums.values()].reduce((all, { ns }) => all + ns, 0);
  const rows = [...sums].sort(([, a], [, b]) => b.ns - a.ns);
  const ms = (ns: number): string => (ns / 1e6).toFixed(3);
  return [
    `webgpu: ${ms(total)} ms in ${labels.length} kernels`,
    ...rows.map(([label, { ns, launches }]) => `  ${label.padEnd(24)} ${ms(ns).padStart(10)} ms  ${launches} launches`),
  ];
};
