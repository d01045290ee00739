import { DeviceError, OutOfMemoryError } from "../../core/index.js";

/** Space for tensors inside one memory. Addresses are multiples of 16; every block is longer than asked by PADDING. */
export interface Allocator {
  /** Address of `bytes` free bytes. Errors: DeviceError with the numbers when the memory may not grow further. */
  readonly allocate: (bytes: number) => number;
  /** Takes a block back. */
  readonly release: (address: number) => void;
  readonly liveBytes: () => number;
  /** Most that was ever live. */
  readonly peakBytes: () => number;
  readonly liveBlocks: () => number;
}

/** Vector loops may read and write this far past the end of a block. */
export const PADDING = 64;
const ALIGNMENT = 16;
/** Size classes: eight to a power of two. */
const STEPS = 8;
const CLASSES = 49 * STEPS;

/** The class whose blocks are at least this long: 2^(c/8), linearly inside a power of two. */
const classOf = (bytes: number): number => {
  const power = bytes < 2 ** 32 ? 31 - Math.clz32(bytes) : 63 - Math.clz32(bytes / 2 ** 32);
  return power * STEPS + Math.floor((bytes / 2 ** power - 1) * STEPS);
};

/**
 * Two-level segregated fit (Masmano et al. 2004): free blocks lie in lists by size class; an allocation takes the first
 * block of the first class in which every block is long enough, so it looks at classes and not at blocks.
 * `grow(end)` makes the memory at least `end` bytes long, or returns false; `remedy` is what would raise the limit.
 */
export const createAllocator = (
  start: number,
  limit: number,
  grow: (end: number) => boolean,
  remedy?: string,
): Allocator => {
  let end = start;
  let [live, peak, blocks] = [0, 0, 0];
  const used = new Map<number, number>(); // lengths of blocks by start; negative for those that were given back
  /**
   * What was given back, by length, not yet joined with neighbours: programs repeat their traffic, and find it here. (A map
   * that takes and loses keys all the time makes V8 keep garbage: every table that it outgrew points to the next.)
   */
  const returned = new Map<number, number[]>();
  const sizeAt = new Map<number, number>(); // free blocks by start
  const startBefore = new Map<number, number>(); // free blocks by end
  const classes = Array.from({ length: CLASSES }, () => new Set<number>());

  const addFree = (address: number, bytes: number): void => {
    sizeAt.set(address, bytes);
    startBefore.set(address + bytes, address);
    classes[classOf(bytes)].add(address);
  };
  const takeFree = (address: number): number => {
    const bytes = sizeAt.get(address) as number;
    sizeAt.delete(address);
    startBefore.delete(address + bytes);
    classes[classOf(bytes)].delete(address);
    return bytes;
  };
  const find = (bytes: number): number | undefined => {
    if (bytes > limit) return undefined; // no class is that long
    // Blocks of the request's own class may be too short: look for one that is not, a few deep, before going up.
    let tries = 4;
    for (const address of classes[classOf(bytes)]) {
      if ((sizeAt.get(address) as number) >= bytes) return address;
      if (--tries === 0) break;
    }
    for (let c = classOf(bytes) + 1; c < CLASSES; c++) for (const address of classes[c]) return address;
    return undefined;
  };
  const refusal = (bytes: number): DeviceError =>
    new OutOfMemoryError({ device: "cpu", bytes, used: live, limit, ...(remedy !== undefined && { remedy }) });
  const extend = (bytes: number): number => {
    const last = startBefore.get(end);
    const address = last ?? end;
    if (address + bytes > limit || !grow(address + bytes)) throw refusal(bytes);
    if (last !== undefined) takeFree(last);
    end = address + bytes;
    addFree(address, bytes);
    return address;
  };

  /** Makes a block free space, one with free neighbours. */
  const join = (address: number, bytes: number): void => {
    used.delete(address);
    let from = address;
    let to = address + bytes;
    const before = startBefore.get(from);
    if (before !== undefined) {
      takeFree(before);
      from = before;
    }
    if (sizeAt.has(to)) to += takeFree(to);
    addFree(from, to - from);
  };
  const joinReturned = (): void => {
    for (const [bytes, addresses] of returned) for (const address of addresses.splice(0)) join(address, bytes);
  };
  const search = (length: number): number => {
    joinReturned();
    const address = find(length) ?? extend(length);
    const whole = takeFree(address);
    if (whole > length) addFree(address + length, whole - length);
    return address;
  };

  return {
    allocate: (bytes) => {
      const length = Math.ceil((bytes + PADDING) / ALIGNMENT) * ALIGNMENT;
      if (length > limit) throw refusal(length); // size classes end there
      const address = returned.get(length)?.pop() ?? search(length);
      used.set(address, length);
      live += length;
      peak = Math.max(peak, live);
      blocks++;
      return address;
    },
    release: (address) => {
      const bytes = used.get(address) ?? 0;
      if (bytes <= 0) throw new DeviceError(`cpu: ${address} is not an allocated address`);
      used.set(address, -bytes);
      live -= bytes;
      blocks--;
      const alike = returned.get(bytes);
      if (alike === undefined) returned.set(bytes, [address]);
      else alike.push(address);
      if (blocks === 0) joinReturned();
    },
    liveBytes: () => live,
    peakBytes: () => peak,
    liveBlocks: () => blocks,
  };
};
