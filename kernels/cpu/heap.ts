import { DeviceError } from "../../core/index.js";
import { type Allocator, createAllocator } from "./allocator.js";
import { engineLimits, type Limits, type MemoryKind, reserve } from "./memory.js";
import { type Addressing, growMemory, type Memory, PAGE } from "./wasm/host.js";

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
  readonly addressing: Addressing;
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

type Space = Addressing & { readonly pages: number };

/** A shared memory reserves its addresses at once; where that is refused, an unshared one does, for one thread. */
const reserveFirst = (space: Space): { memory: Memory; space: Space } => {
  if (space.isShared)
    try {
      return { memory: reserve(space), space };
    } catch {
      // too little address space
    }
  const alone = { ...space, isShared: false };
  return { memory: reserve(alone), space: alone };
};

/** Makes a memory at least `end` bytes long, or returns false. */
const lengthen = (memory: Memory, end: number, { pages: most, isWide = false }: Space): boolean => {
  const have = memory.buffer.byteLength / PAGE;
  const needed = pagesOf(end) - have;
  if (needed <= 0) return true;
  // In larger steps than asked, so that growing stays rare; less only if the system refuses.
  const eager = Math.min(Math.max(needed, Math.ceil(have / 4)), most - have);
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

export const createHeap = ({ isShared = false, memory: kind, limits, onMove }: HeapOptions = {}): Heap => {
  const engine = engineLimits();
  const { wasm32, memory64 } = { ...engine.limits, ...limits };
  const limit = kind === undefined ? Math.max(wasm32, memory64) : kind === "wasm32" ? wasm32 : memory64;
  const isWide = kind === "memory64";
  if (isWide && memory64 === 0)
    throw new DeviceError(
      "cpu: 64-bit addresses bring nothing here",
      engine.remedy ?? "this machine has less than 4 GiB",
    );
  let { memory, space } = reserveFirst({ isShared, isWide, pages: pagesOf(isWide ? memory64 : wasm32) });
  let words = new Int32Array(memory.buffer);
  let floats = new Float32Array(memory.buffer);
  const renew = () => {
    if (words.buffer === memory.buffer) return;
    words = new Int32Array(memory.buffer);
    floats = new Float32Array(memory.buffer);
  };

  /** Takes everything along into a memory with 64-bit addresses. */
  const move = (end: number): boolean => {
    const to = { ...space, isWide: true, pages: pagesOf(memory64) };
    const next = reserve(to);
    if (!lengthen(next, end, to)) return false;
    new Uint8Array(next.buffer).set(new Uint8Array(memory.buffer, START), START);
    [memory, space] = [next, to];
    renew();
    onMove?.();
    return true;
  };
  const grow = (end: number): boolean => (!space.isWide && end > wasm32 ? move(end) : lengthen(memory, end, space));
  const allocator = createAllocator(START, limit, grow, engine.remedy);
  return {
    ...allocator,
    get memory() {
      return memory;
    },
    get addressing() {
      return space;
    },
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
