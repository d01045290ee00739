/**
 * How threads talk: words near the start of the shared memory (indices of 32-bit words, each alone in its cache line). A
 * launch is over when as many blocks are done as it has; until then its description stays as it is, and after that nobody
 * reads it.
 */
export const CONTROL = {
  /** Blocks that nobody has taken yet; who lowers it owns a block, and only then may read the description. */
  left: 16,
  /** Blocks that are done. */
  done: 32,
  /** Workers that sleep on `left`. */
  sleepers: 48,
  /** Does the main thread sleep on `done`? */
  waits: 64,
  /** Blocks that trapped. */
  failed: 80,
  /** Set when the device closes. */
  stop: 96,
  /** Of the launch, in numbers of 64 bits: addresses may need more than 32. */
  job: 112,
} as const;

/** The numbers at CONTROL.job, in order: function, its number of blocks, address of the first one, bytes from one to the next, …; then pairs (byte of the block, byte of the thread's scratch) of scratch words. */
export const JOB = {
  fn: 0,
  blocks: 1,
  args: 2,
  stride: 3,
  scratch: 4,
  scratchStride: 5,
  patches: 6,
  firstPatch: 7,
} as const;

/** Scratch words that a kernel can have. */
export const MOST_PATCHES = 16;

/** Numbers of a launch. */
export const JOB_NUMBERS = JOB.firstPatch + 2 * MOST_PATCHES;
