import { debugs } from "../../core/debug.js";
import { DeviceError, type Graph, type Program } from "../../core/index.js";
import { donorsOf } from "../plan/plan.js";
import type { PlanBuffer } from "../plan/steps.js";
import type { Gpu, GpuBuffer } from "./gpu.js";
import type { Compiled } from "./pipelines.js";
import type { Block } from "./pool.js";
import { prepare } from "./prepare.js";
import { pending } from "./queue.js";
import { canTime, printElapsed, timedPasses } from "./timings.js";
import { USAGE } from "./usage.js";
import { type Kernel, scratchIndex } from "./wgsl/module.js";
import type { Window } from "./windows/windows.js";

/** Bind groups kept for one kernel, and replays for a program: buffers repeat with a short period when outputs are donated back. */
const GROUPS = 8;

/** A launch with its buffers: all that a repeated run needs. */
interface Replayed {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly launch: Launch;
}

interface Launch {
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  /** Where its parameters begin, in bytes. */
  readonly offset: number;
  readonly grid: readonly [number, number];
  readonly groups: Map<string, GPUBindGroup>;
}

/** Workgroups as a grid: an axis takes `most`. Kernels read their number as y · width + x, and guard the rest. */
const gridOf = (workgroups: number, most: number): [number, number] => {
  if (workgroups <= most) return [workgroups, 1];
  const rows = Math.ceil(workgroups / most);
  if (rows > most) throw new DeviceError(`webgpu: ${workgroups} workgroups asked, ${most} × ${most} at most`);
  return [Math.ceil(workgroups / rows), rows];
};

/** All parameter blocks in one buffer, each at an offset that a binding may start at. */
const packParameters = (
  { device, limits }: Gpu,
  kernels: readonly Kernel[],
): { buffer: GPUBuffer; offsets: number[] } => {
  const align = limits.minUniformBufferOffsetAlignment;
  let size = 0;
  const offsets = kernels.map(({ params }) => {
    const at = size;
    size += Math.ceil((Math.ceil(params.length / 4) * 16) / align) * align;
    return at;
  });
  const buffer = device.createBuffer({ size: Math.max(size, 16), usage: USAGE.uniform, mappedAtCreation: true });
  const words = new Uint32Array(buffer.getMappedRange());
  kernels.forEach(({ params }, i) => {
    words.set(params, offsets[i] / 4);
  });
  buffer.unmap();
  return { buffer, offsets };
};

/** Plans a graph, asks for its pipelines, uploads its constants. */
export const buildProgram = (gpu: Gpu, graph: Graph): Program => {
  const { maxStorageBufferBindingSize: most } = gpu.limits;
  const { plan: made, kernels, windows, scratchBytes, memory } = prepare(graph, gpu);
  const handedOn = donorsOf(made);
  const donorAt = (buffer: number): number | undefined => {
    const { role } = made.buffers[buffer];
    return role.kind === "output" ? role.donor : undefined;
  };
  const { buffer: parameters, offsets } = packParameters(gpu, kernels);
  const launches: Launch[] = kernels.map((kernel, i) => ({
    kernel,
    compiled: gpu.pipelines.compile(kernel),
    offset: offsets[i],
    grid: gridOf(kernel.workgroups, gpu.limits.maxComputeWorkgroupsPerDimension),
    groups: new Map(),
  }));
  const ready = pending(Promise.all(launches.map(({ compiled }) => compiled.ready.promise)));
  // Slots are as large as their largest tensor.
  const largestIn = made.slots.map(() => "");
  for (const { role, bytes, of } of made.buffers)
    if (role.kind === "temporary" && bytes === made.slots[role.slot]) largestIn[role.slot] = of;
  const constants = made.buffers.map(({ role }) => (role.kind === "constant" ? gpu.upload(role.data) : undefined));

  /** A window, or a buffer as far as a binding goes: whoever binds it so touches no more of it. */
  const rangeOf = ({ gpu: buffer, size }: Block, window: Window | undefined): GPUBufferBinding =>
    window === undefined
      ? { buffer, size: Math.min(size, most) }
      : { buffer, offset: window.offset, size: window.bytes };

  const bindGroup = ({ kernel, compiled, offset, groups }: Launch, blocks: readonly Block[]): GPUBindGroup => {
    const key = blocks.map((block) => block.id).join();
    const known = groups.get(key);
    if (known !== undefined) return known;
    if (groups.size >= GROUPS) groups.clear();
    const size = Math.ceil(kernel.params.length / 4) * 16;
    const group = gpu.device.createBindGroup({
      layout: compiled.layout,
      entries: [
        { binding: 0, resource: { buffer: parameters, offset, size } },
        ...blocks.map((block, i) => ({ binding: i + 1, resource: rangeOf(block, windows.at(kernel.bindings[i])) })),
      ],
    });
    groups.set(key, group);
    return group;
  };

  const replays = new Map<string, readonly Replayed[]>();
  /** The launches over these buffers: the same ones as before in a training loop, so that nothing is looked up a launch. */
  const replayOf = (blocks: readonly Block[], scratch: readonly Block[]): readonly Replayed[] => {
    const key = [...blocks, ...scratch].map(({ id }) => id).join();
    const known = replays.get(key);
    if (known !== undefined) return known;
    const blockOf = (binding: number) => {
      const at = windows.at(binding)?.buffer ?? binding;
      return at >= 0 ? blocks[at] : scratch[scratchIndex(at)];
    };
    const replay = launches.flatMap((launch) => {
      const pipeline = launch.compiled.get();
      if (pipeline === undefined) return []; // failed: reported already
      return [{ pipeline, group: bindGroup(launch, launch.kernel.bindings.map(blockOf)), launch }];
    });
    if (replays.size >= GROUPS) replays.clear();
    replays.set(key, replay);
    return replay;
  };

  const encode = (replay: readonly Replayed[]) => {
    const isTimed = debugs("timings");
    const encoder = gpu.device.createCommandEncoder();
    const timed = isTimed && canTime(gpu.device) ? timedPasses(gpu.device, encoder) : undefined;
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
    timed?.resolve();
    gpu.device.queue.submit([encoder.finish()]);
    timed?.print();
    if (isTimed && timed === undefined) printElapsed(gpu.device, launches.length);
  };

  return {
    memory,
    run: (inputs) => {
      const outputs = new Map<number, GpuBuffer>(); // fresh ones, by place
      const taken: Block[] = [];
      const take = (bytes: number, of = "scratch"): Block => {
        const block = gpu.pool.take(bytes, of);
        taken.push(block);
        return block;
      };
      try {
        for (const [i, index] of made.outputs.entries())
          if (donorAt(index) === undefined) outputs.set(i, gpu.own(made.buffers[index].bytes, made.buffers[index].of));
        const slots = made.slots.map((bytes, slot) => take(bytes, largestIn[slot]));
        const scratch = scratchBytes.map((bytes) => take(bytes));
        const given = inputs.map((buffer) => gpu.blockOf(buffer));
        const blockOf = ({ role }: PlanBuffer, index: number): Block => {
          switch (role.kind) {
            case "input":
              return given[role.index];
            case "output":
              return role.donor === undefined ? gpu.blockOf(outputs.get(role.index) as GpuBuffer) : given[role.donor];
            case "constant":
              return gpu.blockOf(constants[index] as GpuBuffer);
            case "temporary":
              return slots[role.slot];
          }
        };
        const blocks = made.buffers.map(blockOf);
        gpu.count(launches.length);
        if (launches.length > 0) gpu.queue.push(() => encode(replayOf(blocks, scratch)), ready);
      } catch (error) {
        for (const buffer of outputs.values()) gpu.free(buffer);
        throw error;
      } finally {
        // Temporaries go back at once: whatever takes them next is queued behind this run.
        for (const block of taken.reverse()) gpu.pool.give(block);
      }
      for (const i of graph.donated ?? []) if (!handedOn.has(i)) gpu.free(inputs[i]);
      return made.outputs.map((index, i) => {
        const donor = donorAt(index);
        return donor === undefined ? (outputs.get(i) as GpuBuffer) : gpu.rename(inputs[donor]);
      });
    },
    free: () => {
      for (const buffer of constants) if (buffer !== undefined) gpu.free(buffer);
      gpu.queue.push(() => parameters.destroy());
    },
  };
};
