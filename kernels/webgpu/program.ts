import { debugs } from "../../core/debug.js";
import { type Buffer, DeviceError, type Final, type Graph, type Program } from "../../core/index.js";
import { cutting } from "../plan/finals.js";
import { donorsOf } from "../plan/plan.js";
import type { PlanBuffer } from "../plan/steps.js";
import type { Gpu, GpuBuffer } from "./gpu.js";
import type { Compiled } from "./pipelines.js";
import type { Block } from "./pool.js";
import { prepare } from "./prepare.js";
import { allOf, pending } from "./queue.js";
import { MOST_SECONDS, secondsOf, slicesOf } from "./slices.js";
import { type Replayed, type Submitted, submit } from "./submit.js";
import { USAGE } from "./usage.js";
import { type Kernel, scratchIndex } from "./wgsl/module.js";
import type { Window } from "./windows/windows.js";

/** Where a buffer of the plan lies: in a block of its own, or some bytes of one. */
interface Piece {
  readonly block: Block;
  readonly offset?: number;
  readonly size?: number;
}

/** Bind groups kept for one kernel, and replays for a program: buffers repeat with a short period when outputs are donated back. */
const GROUPS = 8;

interface Launch extends Submitted {
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  /** Where its parameters begin, in bytes. */
  readonly offset: number;
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

/** Plans a graph, asks for its pipelines, uploads its constants. `check` throws once the device is closed. */
export const buildProgram = (gpu: Gpu, graph: Graph, check: () => void = () => {}): Program => {
  const { maxStorageBufferBindingSize: most } = gpu.limits;
  const { plan: made, kernels, stepOf, windows, scratchBytes, memory } = prepare(graph, gpu);
  const handedOn = donorsOf(made);
  const donorAt = (buffer: number): number | undefined => {
    const { role } = made.buffers[buffer];
    return role.kind === "output" ? role.donor : undefined;
  };
  const { buffer: parameters, offsets } = packParameters(gpu, kernels);
  const slices = slicesOf(secondsOf(made, stepOf), gpu.sliceSeconds ?? MOST_SECONDS);
  const launches: Launch[] = kernels.map((kernel, i) => ({
    kernel,
    compiled: gpu.pipelines.compile(kernel),
    offset: offsets[i],
    grid: gridOf(kernel.workgroups, gpu.limits.maxComputeWorkgroupsPerDimension),
    slice: slices[i],
    step: stepOf[i],
    groups: new Map(),
  }));
  const ready = pending(Promise.all(launches.map(({ compiled }) => compiled.ready.promise)));
  // A slot is named by its largest tensor.
  const largestIn = made.slots.map(() => "");
  const largest = made.slots.map(() => -1);
  for (const { role, bytes, of } of made.buffers) {
    if (role.kind !== "temporary" || bytes <= largest[role.slot]) continue;
    largest[role.slot] = bytes;
    largestIn[role.slot] = of;
  }
  const constants = made.buffers.map(({ role }) => (role.kind === "constant" ? gpu.upload(role.data) : undefined));

  /** A window of a piece, or the piece, in whole quads, as far as a binding goes: whoever binds it so touches no more of it. */
  const rangeOf = ({ block, offset = 0, size = block.size }: Piece, window: Window | undefined): GPUBufferBinding =>
    window === undefined
      ? { buffer: block.gpu, offset, size: Math.min(Math.ceil(size / 16) * 16, most) }
      : { buffer: block.gpu, offset: offset + window.offset, size: window.bytes };

  /** Offsets are the same at every run: the blocks are all that it depends on. */
  const bindGroup = ({ kernel, compiled, offset, groups }: Launch, pieces: readonly Piece[]): GPUBindGroup => {
    const key = pieces.map(({ block }) => block.id).join();
    const known = groups.get(key);
    if (known !== undefined) return known;
    if (groups.size >= GROUPS) groups.clear();
    gpu.countBinding();
    const size = Math.ceil(kernel.params.length / 4) * 16;
    const group = gpu.device.createBindGroup({
      layout: compiled.layout,
      entries: [
        { binding: 0, resource: { buffer: parameters, offset, size } },
        ...pieces.map((piece, i) => ({ binding: i + 1, resource: rangeOf(piece, windows.at(kernel.bindings[i])) })),
      ],
    });
    groups.set(key, group);
    return group;
  };

  const replays = new Map<string, readonly Replayed[]>();
  /** The launches over these buffers: the same ones as before in a training loop, so that nothing is looked up a launch. */
  const replayOf = (pieces: readonly Piece[], scratch: readonly Block[]): readonly Replayed[] => {
    const key = [...pieces.map(({ block }) => block), ...scratch].map(({ id }) => id).join();
    const known = replays.get(key);
    if (known !== undefined) return known;
    const pieceOf = (binding: number): Piece => {
      const at = windows.at(binding)?.buffer ?? binding;
      return at >= 0 ? pieces[at] : { block: scratch[scratchIndex(at)] };
    };
    const replay = launches.flatMap((launch) => {
      const pipeline = launch.compiled.get();
      if (pipeline === undefined) return []; // failed: reported already
      return [{ pipeline, group: bindGroup(launch, launch.kernel.bindings.map(pieceOf)), launch }];
    });
    if (replays.size >= GROUPS) replays.clear();
    replays.set(key, replay);
    return replay;
  };

  const cutsFor = cutting(made);
  // A run that is timed is told of as a whole.
  const isTimed = debugs("timings");
  let [isFree, running] = [false, 0];
  const end = (): void => {
    for (const buffer of constants) if (buffer !== undefined) gpu.free(buffer);
    gpu.queue.push(() => parameters.destroy());
  };

  function* inParts(inputs: readonly Buffer[], bytes?: number): Generator<readonly Final[], Buffer[]> {
    check();
    if (isFree) throw new DeviceError("webgpu: a freed program was run");
    const outputs = new Map<number, GpuBuffer>(); // fresh ones, by place
    const found: Buffer[] = [];
    const taken: Block[] = [];
    const take = (bytes: number, of = "scratch"): Block => {
      const block = gpu.pool.take(bytes, of);
      taken.push(block);
      return block;
    };
    const handOver = (i: number): Buffer => {
      const donor = donorAt(made.outputs[i]);
      found[i] = donor === undefined ? (outputs.get(i) as GpuBuffer) : gpu.rename(inputs[donor]);
      outputs.delete(i);
      return found[i];
    };
    running++;
    try {
      for (const [i, index] of made.outputs.entries())
        if (donorAt(index) === undefined) outputs.set(i, gpu.own(made.buffers[index].bytes, made.buffers[index].of));
      const slots = made.slots.map((bytes, slot) => take(bytes, largestIn[slot]));
      const scratch = scratchBytes.map((bytes) => take(bytes));
      const given = inputs.map((buffer) => gpu.blockOf(buffer));
      const pieces: Piece[] = [];
      const pieceOf = ({ role, bytes: size }: PlanBuffer, index: number): Piece => {
        switch (role.kind) {
          case "input":
            return { block: given[role.index] };
          case "output":
            return {
              block: role.donor === undefined ? gpu.blockOf(outputs.get(role.index) as GpuBuffer) : given[role.donor],
            };
          case "constant":
            return { block: gpu.blockOf(constants[index] as GpuBuffer) };
          case "temporary":
            return { block: slots[role.slot], offset: role.offset, size };
          case "guest":
            return { block: pieces[role.host].block, offset: role.offset, size };
        }
      };
      for (const [i, buffer] of made.buffers.entries()) pieces.push(pieceOf(buffer, i));
      gpu.count(launches.length);
      const fresh = [...outputs.values()].map((buffer) => gpu.blockOf(buffer)).concat(taken);
      const needs = allOf([ready, ...fresh.map(({ there }) => there)]);
      const push = (from: number, to: number): void => {
        const isOf = ({ launch: { step } }: Replayed) => step >= from && step < to;
        const some = (): readonly Replayed[] => {
          const all = replayOf(pieces, scratch);
          return to - from === made.steps.length ? all : all.filter(isOf);
        };
        if (launches.length > 0) gpu.queue.push(() => submit(gpu.device, some()), needs);
      };
      let done = 0;
      for (const cut of bytes === undefined || isTimed ? [] : cutsFor(bytes)) {
        push(done, cut.steps);
        done = cut.steps;
        yield cut.outputs.map((output) => ({ output, buffer: handOver(output) }));
        check();
      }
      push(done, made.steps.length);
      for (const i of made.outputs.keys()) if (found[i] === undefined) handOver(i);
    } finally {
      for (const buffer of outputs.values()) gpu.free(buffer);
      // Temporaries go back at once: whatever takes them next is queued behind this run.
      for (const block of taken.reverse()) gpu.pool.give(block);
      if (--running === 0 && isFree) end();
    }
    for (const i of graph.donated ?? []) if (!handedOn.has(i)) gpu.free(inputs[i]);
    return found;
  }

  return {
    memory,
    run: (inputs) => inParts(inputs).next().value as Buffer[], // it has no parts
    inParts,
    free: () => {
      if (isFree) return;
      isFree = true;
      if (running === 0) end();
    },
  };
};
