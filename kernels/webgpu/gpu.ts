import type { Buffer, HostData } from "../../core/index.js";
import type { Limits } from "./limits.js";
import type { Pipelines } from "./pipelines.js";
import type { Block, Pool } from "./pool.js";
import type { Queue } from "./queue.js";

/** What a tensor's numbers lie in. */
export interface GpuBuffer extends Buffer {
  readonly block: Block;
}

/** What programs need of the device. */
export interface Gpu {
  readonly device: GPUDevice;
  /** What to keep to: never the device's own limits, which may be wider. */
  readonly limits: Limits;
  readonly wide: boolean;
  /** Invocations of a subgroup, if that is always the same number and kernels may use subgroups. */
  readonly subgroup: number | undefined;
  readonly pool: Pool;
  readonly pipelines: Pipelines;
  readonly queue: Queue;
  /** A fresh buffer, for the tensor that errors name. */
  readonly own: (bytes: number, of?: string) => GpuBuffer;
  /** Another handle on the same memory; the old one is gone. */
  readonly rename: (buffer: Buffer) => GpuBuffer;
  readonly upload: (data: HostData) => GpuBuffer;
  readonly free: (buffer: Buffer) => void;
  readonly blockOf: (buffer: Buffer) => Block;
  readonly count: (launches: number) => void;
  readonly countBinding: () => void;
}
