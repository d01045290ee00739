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

/** Puts a block where its id belongs among free ones. */
const insert = (blocks: Block[], block: Block): void => {
  let at = blocks.length;
  while (at > 0 && blocks[at - 1].id > block.id) at--;
  blocks.splice(at, 0, block);
};

/**
 * Buffers by size class. The free one of lowest id is taken: which one that is depends on what is free and not on how it
 * came to be, so that a repeated program meets the same buffers, and the bind groups that were made for them. The collector
 * does not see GPU memory: past a limit the longest unused ones are destroyed. `later` runs a function after all work that
 * is queued now has been submitted, since a buffer destroyed early voids its submit.
 */
export const createPool = (
  device: GPUDevice,
  { maxBufferSize }: Limits,
  later: (run: () => void) => void,
  fail: (error: unknown) => void,
): Pool => {
  const free = new Map<number, Block[]>();
  const byAge = new Set<Block>();
  const largest = maxBufferSize - (maxBufferSize % 256);
  let [taken, kept, peak] = [0, 0, 0];

  const trim = () => {
    for (const block of byAge) {
      if (taken + kept <= peak * 1.25 + SLACK) return;
      byAge.delete(block);
      const alike = free.get(block.size) ?? [];
      alike.splice(alike.indexOf(block), 1);
      kept -= block.size;
      later(() => block.gpu.destroy());
    }
  };

  return {
    take: (bytes, of) => {
      if (bytes > largest)
        throw new OutOfMemoryError({
          ...{ device: "webgpu", bytes, used: taken, limit: largest, isOfBuffers: true },
          tensor: of,
        });
      const size = Math.min(classOf(bytes), largest);
      let block = free.get(size)?.shift();
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
      else insert(list, block);
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
