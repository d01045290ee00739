import { patiently } from "./queue.js";
import { MAP_READ, USAGE } from "./usage.js";

const MOST = 4096;

export const canTime = (device: GPUDevice): boolean => device.features.has("timestamp-query");

/** For DEBUG=timings where the adapter has no clock: milliseconds of a whole run, queueing included. */
export const printElapsed = (device: GPUDevice, launches: number): void => {
  const start = performance.now();
  const show = () =>
    console.error(`webgpu: ${(performance.now() - start).toFixed(2)} ms in ${launches} kernels (wall)`);
  patiently(device.queue.onSubmittedWorkDone()).then(show, () => {});
};

/** For DEBUG=timings: one pass a kernel, with GPU timestamps around it; prints milliseconds by kind of kernel. */
export const timedPasses = (device: GPUDevice, encoder: GPUCommandEncoder) => {
  const stamps = device.createQuerySet({ type: "timestamp", count: MOST });
  const ticks = device.createBuffer({ size: 8 * MOST, usage: 0x200 | USAGE.copySource }); // query resolve
  const staging = device.createBuffer({ size: 8 * MOST, usage: USAGE.copyTarget | USAGE.mapRead });
  const labels: string[] = [];
  return {
    begin: (label: string): GPUComputePassEncoder => {
      const at = 2 * labels.length;
      if (at + 2 > MOST) return encoder.beginComputePass();
      labels.push(label);
      const timestampWrites = { querySet: stamps, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
      return encoder.beginComputePass({ timestampWrites });
    },
    resolve: () => {
      encoder.resolveQuerySet(stamps, 0, 2 * labels.length, ticks, 0);
      encoder.copyBufferToBuffer(ticks, 0, staging, 0, 8 * MOST);
    },
    print: () => {
      const show = async () => {
        await patiently(staging.mapAsync(MAP_READ));
        const times = new BigUint64Array(staging.getMappedRange().slice(0));
        const sums = new Map<string, { ms: number; launches: number }>();
        labels.forEach((label, i) => {
          const { ms, launches } = sums.get(label) ?? { ms: 0, launches: 0 };
          sums.set(label, { ms: ms + Number(times[2 * i + 1] - times[2 * i]) / 1e6, launches: launches + 1 });
        });
        const total = [...sums.values()].reduce((n, { ms }) => n + ms, 0);
        const rows = [...sums].sort(([, a], [, b]) => b.ms - a.ms);
        console.error(`webgpu: ${total.toFixed(2)} ms in ${labels.length} kernels`);
        for (const [label, { ms, launches }] of rows)
          console.error(`  ${label.padEnd(24)} ${ms.toFixed(3).padStart(10)} ms  ${launches} launches`);
        for (const buffer of [staging, ticks]) buffer.destroy();
        stamps.destroy();
      };
      void show().catch(() => {}); // a lost device is reported elsewhere
    },
  };
};
