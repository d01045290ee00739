import { OutOfMemoryError } from "../../core/index.js";
import type { Limits } from "./limits.js";
import { USAGE } from "./usage.js";

/** A GPU buffer with one owner at a time. */
export interface Block {
  /** Never used again for another buffer: what bind groups are cached by. */
  readonly id: number;
  readonly size: number;
  readonly gpu: GPUBuffer;
}

export interface Pool {
  /**
   * A buffer of at least `bytes`, with whatever was in it; `of` is the tensor that errors name. Errors: OutOfMemoryError if no
   * buffer can be that large; that the adapter has no more memory is told to `fail`, later.
   */
  readonly take: (bytes: number, of?: string) => Block;
  /** Throws what `take` would throw at once. */
  readonly check: (bytes: number, of?: string) => void;
  readonly give: (block: Block) => void;
  /** Most that was ever taken at once. */
  readonly peakBytes: () => number;
  readonly destroy: () => void;
}

let created = 0; // over all devices: a buffer of another one must not look like ours

/** Free buffers that are kept beyond what the busiest moment needed. */
const SLACK = 256 * 2 ** 20;

/** Size classes: powers of two with eight steps in between, so that reuse is likely and waste is under an eighth. */
export const classOf = (bytes: number): number => {
  if (bytes <= 256) return 256;
  const step = Math.max(256, 2 ** Math.floor(Math.log2(bytes)) / 8);
  return Math.ceil(bytes / step) * step;
};

/**
 * Buffers by size class; the last one given is the first taken, so that a repeated program meets the same buffers. The
 * collector does not see GPU memory: past a limit the longest unused ones are destroyed. `later` runs a function
 * after all work that is queued now has been submitted, since a buffer destroyed early voids its submit.
 */
export const createPool = (
  device: GPUDevice,
  { maxBufferSize: largest }: Limits,
  later: (run: () => void) => void,
  fail: (error: unknown) => void,
): Pool => {
  const free = new Map<number, Block[]>();
  const byAge = new Set<Block>();
  let [taken, kept, peak] = [0, 0, 0];

  const trim = () => {
    for (const block of byAge) {
      if (taken + kept <= peak * 1.25 + SLACK) return;
      byAge.delete(block);
      free.get(block.size)?.shift(); // the oldest of its class
      kept -= block.size;
      later(() => block.gpu.destroy());
    }
  };

  const check = (bytes: number, tensor?: string) => {
    if (bytes > largest)
      throw new OutOfMemoryError({
        ...{ device: "webgpu", bytes, used: taken, limit: largest, isOfBuffers: true },
        tensor,
      });
  };

  return {
    check,
    take: (bytes, of) => {
      check(bytes, of);
      const size = Math.min(classOf(bytes), largest);
      let block = free.get(size)?.pop();
      if (block === undefined) {
        const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
        device.pushErrorScope("out-of-memory");
        block = { id: created++, size, gpu: device.createBuffer({ size, usage }) };
        const [used, tensor] = [taken + kept, of];
        void device.popErrorScope().then((error) => {
          if (error !== null) fail(new OutOfMemoryError({ device: "webgpu", bytes: size, used, tensor }));
        }, fail);
      } else {
        byAge.delete(block);
        kept -= size;
      }
      taken += size;
      peak = Math.max(peak, taken);
      return block;
    },
    give: (block) => {
      taken -= block.size;
      kept += block.size;
      byAge.add(block);
      const list = free.get(block.size);
      if (list === undefined) free.set(block.size, [block]);
      else list.push(block);
      trim();
    },
    peakBytes: () => peak,
    destroy: () => {
      for (const block of byAge) block.gpu.destroy();
      byAge.clear();
      free.clear();
    },
  };
};
