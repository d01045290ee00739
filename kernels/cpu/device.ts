import { debugs } from "../../core/debug.js";
import { naming } from "../../core/errors.js";
import {
  type Buffer,
  byteLength,
  type Device,
  DeviceError,
  type Final,
  type Graph,
  isHalf,
  type Planned,
  type Program,
  sizeOf,
  tellForgotten,
} from "../../core/index.js";
import { buildStaged, planStaged } from "../../core/loops/staged.js";
import { donorsOf, largestOf, plan } from "../plan/plan.js";
import type { Abilities } from "../plan/steps.js";
import { planTeller } from "../plan/teller.js";
import { PADDING } from "./allocator.js";
import { createCompiler } from "./compiler.js";
import { createHeap, type HeapOptions } from "./heap.js";
import { fusedKernels, reads16 } from "./kernels/calls.js";
import { createProgram, type ProgramHost, writeNumbers } from "./program.js";
import { createAlone, type Pool, wantedThreads } from "./threads/pool.js";
import { type Bits, wantedBits } from "./wasm/bits.js";
import { checkCompiles } from "./wasm/host.js";
import { madd } from "./wasm/multiply-add.js";

interface CpuBuffer extends Buffer {
  readonly address: number;
  /** Mark of the device that it lives on; undefined once it is freed. */
  owner: symbol | undefined;
}

const ABILITIES: Abilities = {
  ...{ fused: new Set(fusedKernels), reads16, maxBuffers: 48, inPlace: true, batches: true },
  padding: PADDING,
};

/** How the cpu device is opened. */
export interface CpuOptions extends Pick<HeapOptions, "memory" | "limits"> {
  /** Threads, unless TAUGRAD_THREADS says how many. Default: as many as cores. */
  readonly threads?: number;
  /** Told when memory gets 64-bit addresses. Default: silent. */
  readonly notice?: (line: string) => void;
  /** How products are added up: with one rounding where the engine can, or with two everywhere. Default: as TAUGRAD_BITS says, else native. */
  readonly bits?: Bits;
}

/** Are multiply-adds rounded once, as this engine and processor do them? Errors: DeviceError where nothing may be compiled. */
export const roundsOnce = (): boolean => {
  checkCompiles();
  return madd().roundsOnce;
};

/** See index.ts. */
export const openCpu = async ({ notice, bits: told, threads, ...options }: CpuOptions = {}): Promise<Device> => {
  const bits = wantedBits(told);
  const wanted = wantedThreads(threads);
  checkCompiles();
  const abilities = { ...ABILITIES, tell: await planTeller() };
  const timed = debugs("timings") ? (await import("./timings.js")).printTimings : undefined;
  const heap = createHeap({
    ...options,
    isShared: wanted > 1,
    onMove: () => {
      pool.move(heap.memory);
      compiler.renew();
      notice?.(
        "cpu: 4 GiB are full: memory has moved to 64-bit addresses; kernels are up to a third slower from here on",
      );
    },
  });
  /** Why nothing runs here any more. */
  let ended: DeviceError | undefined;
  const check = (): void => {
    if (ended !== undefined) throw ended;
  };
  const alone = createAlone(heap.memory);
  let pool: Pool = alone;
  if (heap.addressing.isShared) {
    // Loaded where there are several: most pages have one.
    const { createTeam } = await import("./threads/team.js");
    pool = createTeam(alone, heap.memory, wanted, (error) => {
      ended = error;
    });
  }
  const compiler = createCompiler(heap, pool, bits);
  let [programs, launches, liveBuffers, liveBytes] = [0, 0, 0, 0];
  let isOpen = true;
  const none = { address: heap.allocate(0), bytes: 0 };
  let shared = none;
  const self = Symbol("cpu");

  const host: ProgramHost = {
    heap,
    compiler,
    pool,
    scratch: (bytes) => {
      if (bytes > shared.bytes) {
        // Given back first, or the old and the new would lie beside each other at the busiest moment.
        if (shared !== none) heap.release(shared.address);
        shared = none;
        shared = { address: heap.allocate(bytes), bytes };
      }
      return shared.address;
    },
    timed,
    onLaunch: (count) => {
      launches += count;
    },
  };
  const adopt = (address: number, bytes: number): CpuBuffer => {
    liveBuffers++;
    liveBytes += bytes;
    return { address, bytes, owner: self };
  };
  const drop = (buffer: Buffer): void => {
    (buffer as CpuBuffer).owner = undefined;
    liveBuffers--;
    liveBytes -= buffer.bytes;
  };
  const addressOf = (buffer: Buffer): number => {
    check();
    if ((buffer as CpuBuffer).owner !== self)
      throw new DeviceError("cpu: this buffer was freed, or is another device's");
    return (buffer as CpuBuffer).address;
  };

  const buildOne = (graph: Graph): Program => {
    check();
    const made = plan(graph, abilities);
    const handedOn = donorsOf(made);
    const program = createProgram(made, host);
    programs++;
    const sizes = graph.outputs.map((t) => byteLength(t.dtype, sizeOf(t.shape)));
    /** The donated input that each output lies in. */
    const donors = made.outputs.map((buffer) => {
      const { role } = made.buffers[buffer];
      return role.kind === "output" ? role.donor : undefined;
    });
    const handOver = (inputs: readonly Buffer[], output: number, address: number): CpuBuffer => {
      const donor = donors[output];
      if (donor !== undefined) drop(inputs[donor]);
      return adopt(address, sizes[output]);
    };
    const dropDonated = (inputs: readonly Buffer[]): void => {
      for (const i of graph.donated ?? []) {
        if (handedOn.has(i)) continue;
        heap.release(addressOf(inputs[i]));
        drop(inputs[i]);
      }
    };
    const run = (inputs: readonly Buffer[]): Buffer[] => {
      check();
      const outputs = program.run(inputs.map(addressOf)).map((address, output) => handOver(inputs, output, address));
      dropDonated(inputs);
      return outputs;
    };
    const { inParts: runInParts } = program;
    function* inParts(inputs: readonly Buffer[], bytes: number): Generator<readonly Final[], Buffer[]> {
      check();
      const told: CpuBuffer[] = [];
      const parts = (runInParts as NonNullable<typeof runInParts>)(inputs.map(addressOf), bytes);
      try {
        let next = parts.next();
        for (; next.done !== true; next = parts.next()) {
          yield next.value.map(({ output, address }) => {
            told[output] = handOver(inputs, output, address);
            return { output, buffer: told[output] };
          });
          check();
        }
        const outputs = next.value.map((address, output) => told[output] ?? handOver(inputs, output, address));
        dropDonated(inputs);
        return outputs;
      } finally {
        parts.return([]);
      }
    }
    return {
      memory: program.memory,
      run,
      ...(runInParts === undefined ? {} : { inParts }),
      free: program.free,
    };
  };

  const planOne = (graph: Graph): Planned => {
    check();
    const made = plan(graph, abilities);
    const program = createProgram(made, host);
    program.free();
    return { memory: program.memory, launches: program.launches, largest: largestOf(made) };
  };
  const free = (buffer: Buffer): void => {
    if ((buffer as CpuBuffer).owner !== self) return; // freed before
    heap.release((buffer as CpuBuffer).address);
    drop(buffer);
  };

  const opened: Device = {
    name: "cpu",
    isOpen: () => isOpen,
    get description() {
      const threads = `${pool.threads} thread${pool.threads === 1 ? "" : "s"}`;
      const wide = heap.addressing.isWide ? ", 64-bit addresses" : "";
      return `cpu (WebAssembly SIMD, ${threads}${wide}${bits === "portable" ? ", portable bits" : ""})`;
    },
    get bits() {
      return bits === "native" && madd().roundsOnce ? "fused" : "portable";
    },
    limits: { memory: heap.limit, buffer: heap.limit, ...(heap.remedy !== undefined && { remedy: heap.remedy }) },
    upload: (data, shape, dtype) => {
      check();
      const bytes = byteLength(dtype, sizeOf(shape));
      const address = naming(
        () => `${dtype}[${shape}]`,
        () => heap.allocate(bytes),
      );
      writeNumbers(heap, address, data);
      return adopt(address, bytes);
    },
    read: async (buffer, shape, dtype) => {
      const from = addressOf(buffer);
      const { buffer: memory } = heap.memory;
      const size = sizeOf(shape);
      // Copied into an array of its own, which is not shared either.
      if (dtype === "f32") return new Float32Array(new Float32Array(memory, from, size));
      if (isHalf(dtype)) return new Uint16Array(new Uint16Array(memory, from, size));
      if (dtype === "i32") return new Int32Array(new Int32Array(memory, from, size));
      return new Uint32Array(new Uint32Array(memory, from, size));
    },
    free,
    plan: (graph) => planStaged(graph, planOne),
    build: (graph) => buildStaged(graph, buildOne, free),
    stats: () => ({
      ...{ liveBuffers, liveBytes, peakBytes: heap.peakBytes(), programs, launches, bindings: 0 },
      keptBytes: heap.memory.buffer.byteLength,
      kernels: compiler.count(),
    }),
    close: async () => {
      if (isOpen) tellForgotten(opened);
      isOpen = false;
      ended ??= new DeviceError("cpu: the device is closed", "open another one");
      pool.close();
    },
  };
  return opened;
};
