import { OutOfMemoryError } from "../../core/index.js";
import type { Limits } from "./adapter/limits.js";
import type { Pending, Queue } from "./queue.js";
import { USAGE } from "./usage.js";

/** A GPU buffer with one owner at a time. */
export interface Block {
  /** Never used again for another buffer: what bind groups are cached by. */
  readonly id: number;
  readonly size: number;
  /** Not to be looked at by work that runs before `there` is done. */
  readonly gpu: GPUBuffer;
  /** Done once the adapter is known to have had the memory, or not to have any; asked for in its turn only. */
  readonly there: Pending;
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
  /** Taken, or kept to be taken again. */
  readonly bytes: () => number;
  readonly destroy: () => void;
}

/** Errors: OutOfMemoryError if no buffer can be so large; `used` bytes are in use, `tensor` is what errors name. */
export const checkBuffer = (bytes: number, { maxBufferSize: limit }: Limits, used: number, tensor?: string): void => {
  if (bytes > limit) throw new OutOfMemoryError({ device: "webgpu", bytes, used, limit, isOfBuffers: true, tensor });
};

let created = 0; // over all devices: a buffer of another one must not look like ours

/** Free buffers that are kept beyond what the busiest moment needed. */
const SLACK = 256 * 2 ** 20;

/** Size classes: powers of two with 64 steps in between. What is wasted is under 1/64, and under 1 MiB: no plan counts it. */
export const classOf = (bytes: number): number => {
  if (bytes <= 256) return 256;
  const step = Math.min(Math.max(256, 2 ** Math.floor(Math.log2(bytes)) / 64), 2 ** 20);
  return Math.ceil(bytes / step) * step;
};

interface Held extends Block {
  gpu: GPUBuffer;
  isThere: boolean;
  /** The last job that may use it, once it is free. */
  last: number;
}

/**
 * Buffers by size class; of those that are free the oldest is taken, so that a repeated program meets the same buffers. The
 * collector does not see GPU memory: past a limit the longest unused ones are destroyed, once all work that is queued
 * now has been submitted, since a buffer destroyed early voids its submit.
 *
 * Dawn tells late that a buffer could not be had, and what was submitted with it is lost. So programs wait for new blocks
 * (`there`): if one could not be had, all that is free is destroyed when its turn comes, and it is asked for once more; from then
 * on no more is kept than the adapter was seen to have. Not tried again is what does not wait: an upload writes at once, or a
 * model's weights would lie twice on the host.
 */
export const createPool = (
  device: GPUDevice,
  limits: Limits,
  queue: Pick<Queue, "push" | "pushed" | "finished">,
  fail: (error: unknown) => void,
): Pool => {
  const free = new Map<number, Held[]>(); // by size, oldest first
  const byAge = new Set<Held>(); // the longest unused first
  const doomed = new Set<Held>(); // to be destroyed once their last job has run
  let [taken, kept, peak] = [0, 0, 0];
  let ceiling = Number.POSITIVE_INFINITY; // so much the adapter was seen to have, once it was seen not to have more

  const forget = (block: Held) => {
    const list = free.get(block.size) as Held[];
    list.splice(list.indexOf(block), 1);
    byAge.delete(block);
    kept -= block.size;
  };
  const trim = () => {
    for (const block of byAge) {
      if (taken + kept <= Math.min(peak * 1.25 + SLACK, ceiling)) return;
      forget(block);
      doomed.add(block);
      queue.push(() => bury(block));
    }
  };
  const bury = (block: Held) => {
    if (doomed.delete(block)) block.gpu.destroy();
  };
  /** A new buffer, and the error that there was, told later. */
  const attempt = (size: number) => {
    const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
    device.pushErrorScope("out-of-memory");
    const gpu = device.createBuffer({ size, usage });
    return { gpu, error: device.popErrorScope() };
  };
  /** Destroys what is free and waits for no work that is still to be submitted; then the adapter has it back. */
  const reclaim = async () => {
    for (const block of [...byAge, ...doomed]) {
      if (block.last > queue.finished()) continue;
      if (!doomed.has(block)) forget(block);
      doomed.add(block);
      bury(block);
    }
    device.queue.submit([]); // Dawn gives memory back at a submit
    await device.queue.onSubmittedWorkDone();
    device.queue.submit([]);
  };
  const create = (size: number, of: string | undefined): Held => {
    const { gpu, error } = attempt(size);
    const used = taken + kept;
    let waiting: Promise<void> | undefined;
    const settle = async () => {
      if ((await error) === null) return;
      ceiling = Math.min(ceiling, used);
      await reclaim();
      const again = attempt(size);
      block.gpu = again.gpu;
      if ((await again.error) !== null) fail(new OutOfMemoryError({ device: "webgpu", bytes: size, used, tensor: of }));
    };
    const end = () => {
      block.isThere = true;
    };
    const block: Held = {
      id: created++,
      size,
      gpu,
      isThere: false,
      last: 0,
      there: {
        done: () => block.isThere,
        get promise() {
          waiting ??= settle().catch(fail).then(end);
          return waiting;
        },
      },
    };
    void error.then((failed) => {
      if (failed !== null) return;
      ceiling = Math.max(ceiling, used + size);
      end();
    }, fail);
    return block;
  };

  return {
    take: (bytes, of) => {
      checkBuffer(bytes, limits, taken, of);
      const size = Math.min(classOf(bytes), limits.maxBufferSize - (limits.maxBufferSize % 4));
      const known = free.get(size)?.[0];
      if (known !== undefined) forget(known);
      const block = known ?? create(size, of);
      taken += size;
      peak = Math.max(peak, taken);
      return block;
    },
    give: (given) => {
      const block = given as Held;
      block.last = queue.pushed();
      taken -= block.size;
      kept += block.size;
      byAge.add(block);
      const list = free.get(block.size) ?? [];
      free.set(block.size, list);
      const after = list.findIndex(({ id }) => id > block.id);
      list.splice(after < 0 ? list.length : after, 0, block);
      trim();
    },
    peakBytes: () => peak,
    bytes: () => taken + kept,
    destroy: () => {
      for (const block of byAge) block.gpu.destroy();
      byAge.clear();
      free.clear();
    },
  };
};
