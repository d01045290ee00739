import { type Allocator, createAllocator } from "./allocator.js";
import { createMemory, type Memory } from "./wasm/host.js";
import { MAX_PAGES } from "./wasm/module.js";

const PAGE = 65536;

/** The device's memory, which grows on demand. Views are valid until the next allocation. */
export interface Heap extends Allocator {
  readonly memory: Memory;
  readonly words: () => Int32Array;
  readonly floats: () => Float32Array;
}

export const createHeap = (): Heap => {
  const memory = createMemory(16, MAX_PAGES);
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
  // Address 0 stays unused; so does the last page, so that no address just past a block wraps around.
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
