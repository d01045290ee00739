import { debugs } from "../../core/debug.js";
import { canTime, printElapsed, timedPasses } from "./timings.js";
import type { Kernel } from "./wgsl/module.js";

/** What a launch is but for its buffers. */
export interface Submitted {
  readonly kernel: Pick<Kernel, "label">;
  readonly grid: readonly [number, number];
  /** The submit that it is in, and the step of the plan that it is of. */
  readonly slice: number;
  readonly step: number;
}

/** A launch with its buffers: all that a repeated run needs. */
export interface Replayed {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly launch: Submitted;
}

const submitTogether = (device: GPUDevice, replay: readonly Replayed[], isTimed: boolean): void => {
  const encoder = device.createCommandEncoder();
  const timed = isTimed && canTime(device) ? timedPasses(device, encoder) : undefined;
  const shared = timed === undefined ? encoder.beginComputePass() : undefined;
  let last: GPUComputePipeline | undefined;
  for (const { pipeline, group, launch } of replay) {
    const pass = timed?.begin(launch.kernel.label) ?? (shared as GPUComputePassEncoder);
    if (pipeline !== last || timed !== undefined) pass.setPipeline(pipeline);
    last = pipeline;
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(launch.grid[0], launch.grid[1]);
    if (timed !== undefined) pass.end();
  }
  shared?.end();
  const ticks = timed?.resolve();
  device.queue.submit([encoder.finish()]);
  if (ticks !== undefined) timed?.print(ticks);
  if (isTimed && timed === undefined) printElapsed(device, replay.length);
};

/** Submits launches in order, a slice at a time; all at once where they are timed, which is told of a run as a whole. */
export const submit = (device: GPUDevice, replay: readonly Replayed[]): void => {
  const isTimed = debugs("timings");
  for (let from = 0; from < replay.length; ) {
    let to = from + 1;
    while (to < replay.length && (isTimed || replay[to].launch.slice === replay[from].launch.slice)) to++;
    submitTogether(device, replay.slice(from, to), isTimed);
    from = to;
  }
};
