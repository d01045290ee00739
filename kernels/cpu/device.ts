import { type Buffer, BYTES, type Device, DeviceError, type Graph, type Program, sizeOf } from "../../core/index.js";
import { plan } from "../plan/plan.js";
import type { Abilities } from "../plan/steps.js";
import { createCompiler } from "./compiler.js";
import { createHeap } from "./heap.js";
import { fusedKernels } from "./kernels/calls.js";
import { createProgram, type ProgramHost, writeNumbers } from "./program.js";

interface CpuBuffer extends Buffer {
  address: number;
}

const abilities: Abilities = { fused: new Set(fusedKernels), maxBuffers: 48 };

/** The processor, by WebAssembly SIMD that is written while a program is built. One thread; 4 GiB at most. */
export const openCpu = async (): Promise<Device> => {
  const heap = createHeap();
  const compiler = createCompiler(heap.memory);
  let [programs, launches, liveBuffers, liveBytes] = [0, 0, 0, 0];
  let isOpen = true;
  let shared = { address: heap.allocate(0), bytes: 0 };
  const live = new Set<CpuBuffer>();

  const host: ProgramHost = {
    heap,
    compiler,
    scratch: (bytes) => {
      if (bytes > shared.bytes) {
        const { address } = shared;
        shared = { address: heap.allocate(bytes), bytes };
        heap.release(address);
      }
      return shared.address;
    },
    onLaunch: (count) => {
      launches += count;
    },
  };
  const adopt = (address: number, bytes: number): CpuBuffer => {
    const buffer = { address, bytes };
    live.add(buffer);
    liveBuffers++;
    liveBytes += bytes;
    return buffer;
  };
  const addressOf = (buffer: Buffer): number => {
    if (!isOpen) throw new DeviceError("cpu: the device is closed");
    if (!live.has(buffer as CpuBuffer)) throw new DeviceError("cpu: this buffer was freed, or is another device's");
    return (buffer as CpuBuffer).address;
  };

  const build = (graph: Graph): Program => {
    const program = createProgram(plan(graph, abilities), host);
    programs++;
    const sizes = graph.outputs.map((t) => BYTES * sizeOf(t.shape));
    return {
      memory: program.memory,
      run: (inputs) => program.run(inputs.map(addressOf)).map((address, i) => adopt(address, sizes[i])),
      free: program.free,
    };
  };

  return {
    name: "cpu",
    description: "cpu (WebAssembly SIMD, 1 thread)",
    upload: (data, shape) => {
      const bytes = BYTES * sizeOf(shape);
      const address = heap.allocate(bytes);
      writeNumbers(heap, address, data);
      return adopt(address, bytes);
    },
    read: async (buffer, shape, dtype) => {
      const from = addressOf(buffer);
      const { buffer: memory } = heap.memory;
      const bytes = memory.slice(from, from + BYTES * sizeOf(shape));
      if (dtype === "f32") return new Float32Array(bytes);
      return dtype === "i32" ? new Int32Array(bytes) : new Uint32Array(bytes);
    },
    free: (buffer) => {
      if (!live.delete(buffer as CpuBuffer)) return; // freed before, or with the device
      heap.release((buffer as CpuBuffer).address);
      liveBuffers--;
      liveBytes -= buffer.bytes;
    },
    build,
    stats: () => ({ liveBuffers, liveBytes, programs, kernels: compiler.count(), launches }),
    close: async () => {
      isOpen = false;
      live.clear();
    },
  };
};
