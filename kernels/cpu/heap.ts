import { type Allocator, createAllocator } from "./allocator.js";
import { engineLimits, type Limits, type MemoryKind, PAGE, reserve, reserveFirst } from "./memory.js";
import { growMemory, type Memory } from "./wasm/host.js";

export interface HeapOptions {
  /** Are threads to share it? Default: no. */
  readonly isShared?: boolean;
  /** The kind of memory, for good. By default it begins as wasm32, which is faster, and becomes memory64 when that is full. */
  readonly memory?: MemoryKind | undefined;
  /** Bytes, in place of what the engine and the machine have. */
  readonly limits?: Partial<Limits> | undefined;
  /** Called once the heap lies in another memory, everything at the addresses that it had. */
  readonly onMove?: () => void;
}

/** The device's memory, which grows on demand. Views are valid until the next allocation; so is `memory`. */
export interface Heap extends Allocator {
  readonly memory: Memory;
  /** Has it addresses of 64 bits? */
  readonly isWide: boolean;
  /** Can threads share it? */
  readonly isShared: boolean;
  /** Most bytes that it can give out. */
  readonly limit: number;
  /** What would raise the limit. */
  readonly remedy: string | undefined;
  readonly words: () => Int32Array;
  readonly floats: () => Float32Array;
}

/** The first KiB is the threads' (threads/control.ts), and address 0 stays unused. */
const START = 1024;

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE);

/** Makes a memory at least `end` bytes long, of `limit` at most; or returns false. */
const lengthen = (memory: Memory, end: number, limit: number, isWide: boolean): boolean => {
  const have = memory.buffer.byteLength / PAGE;
  const needed = pagesOf(end) - have;
  if (needed <= 0) return true;
  // In larger steps than asked, so that growing stays rare; less only if the system refuses.
  const eager = Math.min(Math.max(needed, Math.ceil(have / 4)), pagesOf(limit) - have);
  for (const pages of [eager, needed]) {
    try {
      growMemory(memory, pages, isWide);
      return true;
    } catch {
      // try the smaller step
    }
  }
  return false;
};

export const createHeap = ({ isShared: sharing = false, memory: kind, limits, onMove }: HeapOptions = {}): Heap => {
  const engine = engineLimits();
  const { wasm32, memory64 } = { ...engine.limits, ...limits };
  const limit = kind === undefined ? Math.max(wasm32, memory64) : kind === "wasm32" ? wasm32 : memory64;
  let isWide = kind === "memory64";
  const first = reserveFirst(pagesOf(isWide ? memory64 : wasm32), { isShared: sharing, isWide });
  const { isShared } = first;
  let { memory } = first;
  let words = new Int32Array(memory.buffer);
  let floats = new Float32Array(memory.buffer);
  const renew = () => {
    if (words.buffer === memory.buffer) return;
    words = new Int32Array(memory.buffer);
    floats = new Float32Array(memory.buffer);
  };

  /** Takes everything along into a memory with 64-bit addresses. */
  const move = (end: number): boolean => {
    const next = reserve(pagesOf(memory64), { isShared, isWide: true });
    if (!lengthen(next, end, memory64, true)) return false;
    new Uint8Array(next.buffer).set(new Uint8Array(memory.buffer, START), START);
    [memory, isWide] = [next, true];
    renew();
    onMove?.();
    return true;
  };
  const grow = (end: number): boolean => {
    if (isWide) return lengthen(memory, end, memory64, true);
    return end > wasm32 ? move(end) : lengthen(memory, end, wasm32, false);
  };
  const allocator = createAllocator(START, limit, grow, engine.remedy);
  return {
    ...allocator,
    get memory() {
      return memory;
    },
    get isWide() {
      return isWide;
    },
    isShared,
    limit,
    remedy: engine.remedy,
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
