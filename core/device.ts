import type { DType, HostData } from "./dtype.js";
import type { Shape } from "./shape.js";
import type { Tensor } from "./tensor.js";

/** A traced function: placeholders in, nodes out. */
export interface Graph {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Positions of inputs whose buffers a run takes over: it hands them out as outputs, or frees them. */
  readonly donated?: readonly number[];
}

/** Numbers on a device. Only the device that made it looks inside. */
export interface Buffer {
  readonly bytes: number;
}

/** Bytes that a run of a program takes, known before it runs. */
export interface ProgramMemory {
  readonly inputs: number;
  readonly outputs: number;
  readonly constants: number;
  /** Peak of the intermediate values, and what kernels work in. */
  readonly temporaries: number;
  /** All of it together while a run lasts; outputs that lie in donated inputs count once. */
  readonly peak: number;
}

/** An output that nothing else in a run reads or writes any more. */
export interface Final {
  readonly output: number;
  readonly buffer: Buffer;
}

/**
 * A built graph. `run` gives buffers that the caller owns; inputs stay the caller's, except donated ones: those are gone
 * once `run` has returned (not if it threw), and must be distinct from all other inputs.
 */
export interface Program {
  readonly memory: ProgramMemory;
  readonly run: (inputs: readonly Buffer[]) => Buffer[];
  /**
   * `run` in parts, with turns of the caller in between, in which it may run other programs. Each part tells of outputs that are
   * final, once there are so many bytes of them; now and then of none. What was told of is the caller's, whatever becomes of the run,
   * and an input that it lies in is gone. Absent where a run cannot be cut.
   */
  readonly inParts?: (inputs: readonly Buffer[], bytes: number) => Generator<readonly Final[], Buffer[]>;
  /** While a run lasts, at its end. */
  readonly free: () => void;
}

/** Counters that laws look at: a second step builds nothing, and leaks nothing. */
export interface DeviceStats {
  readonly liveBuffers: number;
  readonly liveBytes: number;
  /**
   * Most bytes in use at any moment so far, with the constants and temporaries of programs; as the device lays them out,
   * so a little more than was asked for. On the reference device, which plans nothing, only what callers own.
   */
  readonly peakBytes: number;
  /** Programs built so far. */
  readonly programs: number;
  /** Kernels compiled so far (WebAssembly functions, GPU pipelines). */
  readonly kernels: number;
  /** Kernels launched so far. */
  readonly launches: number;
  /** Sets of buffers bound to kernels so far, where the device keeps them: a loop that meets the same buffers makes no more. */
  readonly bindings: number;
  /** Bytes held now: in use, or kept to be used again. */
  readonly keptBytes: number;
}

/** Where a device ends, in bytes, as far as that is known. */
export interface DeviceLimits {
  /** All buffers together. */
  readonly memory?: number;
  /** One buffer. */
  readonly buffer?: number;
  /** What would raise them: `Node 24 or later: …`. */
  readonly remedy?: string;
}

/** What a program would take, known without building it. */
export interface Planned {
  readonly memory: ProgramMemory;
  /** Kernels that a run launches. */
  readonly launches: number;
  /** The largest of its buffers, and the tensor that lies in it, as errors show it. */
  readonly largest: { readonly bytes: number; readonly of: string };
}

/** As much of a device as it takes to plan for it. */
export interface Planner {
  readonly name: "reference" | "cpu" | "webgpu";
  /** One line for people: adapter, threads. */
  readonly description: string;
  /** The same bits on every engine and processor, or those of fused multiply-adds; undefined: its driver's. */
  readonly bits?: "portable" | "fused";
  readonly limits?: DeviceLimits;
  /** Errors: as those of `build` that do not depend on what else lies on the device. */
  readonly plan: (graph: Graph) => Planned;
}

/** Runs programs. Building and running are synchronous; numbers come back by a promise. */
export interface Device extends Planner {
  /** A copy; `data` is of the dtype's own kind: floats for f32, Int32Array for i32, bits in a Uint16Array for bf16 and f16, else Uint32Array. */
  readonly upload: (data: HostData, shape: Shape, dtype: DType) => Buffer;
  /** Float32Array (Float64Array on the reference device) for f32, bits in a Uint16Array for bf16 and f16, else integers. */
  readonly read: (buffer: Buffer, shape: Shape, dtype: DType) => Promise<HostData>;
  /** Takes a buffer back; harmless after `close`. */
  readonly free: (buffer: Buffer) => void;
  readonly build: (graph: Graph) => Program;
  readonly stats: () => DeviceStats;
  /** Until it is closed. */
  readonly isOpen: () => boolean;
  /** Frees everything; the device is unusable afterwards. With DEBUG=leaks it tells which tensors were never disposed of. */
  readonly close: () => Promise<void>;
}
