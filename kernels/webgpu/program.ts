import { debugs } from "../../core/debug.js";
import type { Graph, Program } from "../../core/index.js";
import { memoryOf, plan } from "../plan/plan.js";
import type { Plan, PlanBuffer } from "../plan/steps.js";
import type { Gpu, GpuBuffer } from "./gpu.js";
import { FUSED, lower } from "./kernels/lower.js";
import type { Compiled } from "./pipelines.js";
import type { Block } from "./pool.js";
import { pending } from "./queue.js";
import { canTime, printElapsed, timedPasses } from "./timings.js";
import { USAGE } from "./usage.js";
import { type Kernel, scratchIndex } from "./wgsl/module.js";

/** Bind groups kept for one kernel: buffers repeat with a short period when outputs are donated back. */
const GROUPS = 8;

interface Launch {
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  /** Where its parameters begin, in bytes. */
  readonly offset: number;
  readonly grid: readonly [number, number];
  readonly groups: Map<string, GPUBindGroup>;
}

/** Workgroups as a grid: an axis takes 65 535. Kernels read their number as y · width + x, and guard the rest. */
const gridOf = (workgroups: number): [number, number] => {
  const most = 65535;
  if (workgroups <= most) return [workgroups, 1];
  const rows = Math.ceil(workgroups / most);
  return [Math.ceil(workgroups / rows), rows];
};

/** All parameter blocks in one buffer, each at an offset that a binding may start at. */
const packParameters = (device: GPUDevice, kernels: readonly Kernel[]): { buffer: GPUBuffer; offsets: number[] } => {
  const align = device.limits.minUniformBufferOffsetAlignment;
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
  const made: Plan = plan(graph, { fused: FUSED, maxBuffers: gpu.device.limits.maxStorageBuffersPerShaderStage });
  const scratchBytes: number[] = [];
  const lowering = {
    wide: gpu.wide,
    scratch: (index: number, words: number) => {
      for (let i = scratchBytes.length; i <= index; i++) scratchBytes.push(0);
      scratchBytes[index] = Math.max(scratchBytes[index], 4 * words);
    },
  };
  const kernels = made.steps.flatMap((step) => lower(step, lowering));
  const { buffer: parameters, offsets } = packParameters(gpu.device, kernels);
  const launches: Launch[] = kernels.map((kernel, i) => ({
    kernel,
    compiled: gpu.pipelines.compile(kernel),
    offset: offsets[i],
    grid: gridOf(kernel.workgroups),
    groups: new Map(),
  }));
  const ready = pending(Promise.all(launches.map(({ compiled }) => compiled.ready.promise)));
  const memory = memoryOf(made);
  const constants = made.buffers.map(({ role }) => (role.kind === "constant" ? gpu.upload(role.data) : undefined));

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
        ...blocks.map(({ gpu: buffer }, i) => ({ binding: i + 1, resource: { buffer } })),
      ],
    });
    groups.set(key, group);
    return group;
  };

  const encode = (blockOf: (buffer: number) => Block) => {
    const isTimed = debugs("timings");
    const encoder = gpu.device.createCommandEncoder();
    const timed = isTimed && canTime(gpu.device) ? timedPasses(gpu.device, encoder) : undefined;
    const shared = timed === undefined ? encoder.beginComputePass() : undefined;
    for (const launch of launches) {
      const pipeline = launch.compiled.get();
      if (pipeline === undefined) continue; // failed: reported already
      const pass = timed?.begin(launch.kernel.label) ?? (shared as GPUComputePassEncoder);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup(launch, launch.kernel.bindings.map(blockOf)));
      pass.dispatchWorkgroups(...launch.grid);
      if (timed !== undefined) pass.end();
    }
    shared?.end();
    timed?.resolve();
    gpu.device.queue.submit([encoder.finish()]);
    timed?.print();
    if (isTimed && timed === undefined) printElapsed(gpu.device, launches.length);
  };

  return {
    memory: { ...memory, temporaries: scratchBytes.reduce((n, bytes) => n + bytes, memory.temporaries) },
    run: (inputs) => {
      const outputs: GpuBuffer[] = [];
      const taken: Block[] = [];
      const take = (bytes: number): Block => {
        const block = gpu.pool.take(bytes);
        taken.push(block);
        return block;
      };
      try {
        for (const index of made.outputs) outputs.push(gpu.own(made.buffers[index].bytes));
        const slots = made.slots.map(take);
        const scratch = scratchBytes.map(take);
        const blockOf = ({ role }: PlanBuffer, index: number): Block => {
          switch (role.kind) {
            case "input":
              return gpu.blockOf(inputs[role.index]);
            case "output":
              return gpu.blockOf(outputs[role.index]);
            case "constant":
              return gpu.blockOf(constants[index] as GpuBuffer);
            case "temporary":
              return slots[role.slot];
          }
        };
        const blocks = made.buffers.map(blockOf);
        gpu.count(launches.length);
        if (launches.length > 0)
          gpu.queue.push(() => encode((at) => (at >= 0 ? blocks[at] : scratch[scratchIndex(at)])), ready);
        return outputs;
      } catch (error) {
        for (const buffer of outputs) gpu.free(buffer);
        throw error;
      } finally {
        // Temporaries go back at once: whatever takes them next is queued behind this run.
        for (const block of taken.reverse()) gpu.pool.give(block);
      }
    },
    free: () => {
      for (const buffer of constants) if (buffer !== undefined) gpu.free(buffer);
      gpu.queue.push(() => parameters.destroy());
    },
  };
};
