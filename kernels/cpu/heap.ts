import { DeviceError } from "../../core/index.js";
import { type Allocator, createAllocator } from "./allocator.js";
import { createMemory, type Memory } from "./wasm/host.js";
import { MAX_PAGES } from "./wasm/module.js";

const PAGE = 65536;

/** The device's memory, which grows on demand. Views are valid until the next allocation. */
export interface Heap extends Allocator {
  readonly memory: Memory;
  /** Can threads share it? */
  readonly isShared: boolean;
  readonly words: () => Int32Array;
  readonly floats: () => Float32Array;
}

/** A shared memory reserves its addresses at once; where that is refused, an unshared one does, for one thread. */
const reserve = (isShared: boolean): { memory: Memory; isShared: boolean } => {
  if (isShared) {
    try {
      return { memory: createMemory(16, MAX_PAGES, true), isShared };
    } catch {
      // too little address space
    }
  }
  try {
    return { memory: createMemory(16, MAX_PAGES), isShared: false };
  } catch {
    throw new DeviceError(
      "cpu: the system refuses the addresses of a WebAssembly memory (about 10 GiB reserved, not used)",
      "raise the limit on virtual memory (ulimit -v)",
    );
  }
};

export const createHeap = (sharing = false): Heap => {
  const { memory, isShared } = reserve(sharing);
  const grow = (end: number): boolean => {
    const have = memory.buffer.byteLength;
    if (end <= have) return true;
    // In larger steps than asked, so that growing stays rare; less only if the system refuses.
    const needed = Math.ceil((end - have) / PAGE);
    const eager = Math.min(Math.max(needed, Math.ceil(have / PAGE / 4)), MAX_PAGES - have / PAGE);
    for (const pages of [eager, needed]) {
      try {
        memory.grow(pages);
        return true;
      } catch {
        // try the smaller step
      }
    }
    return false;
  };
  // The first KiB is the threads' (threads/control.ts), and address 0 stays unused; so does the last page, so that no address just past a block wraps around.
  const allocator = createAllocator(1024, (MAX_PAGES - 1) * PAGE, grow);
  let words = new Int32Array(memory.buffer);
  let floats = new Float32Array(memory.buffer);
  const renew = () => {
    if (words.buffer === memory.buffer) return;
    words = new Int32Array(memory.buffer);
    floats = new Float32Array(memory.buffer);
  };
  return {
    ...allocator,
    memory,
    isShared,
    words: () => {
      renew();
      return words;
    },
    floats: () => {
      renew();
      return floats;
    },
  };
};
