import { InputError } from "../../../core/index.js";
import { engine } from "../../platform/node/engine.js";
import type { Part } from "../../platform/platform.js";
import { writeWord } from "../launch.js";
import type { Memory } from "../wasm/host.js";

/** A kernel, compiled. */
export interface Compiled {
  /** Its number, the same on all threads. */
  readonly id: number;
  /** It, on the main thread; another function once memory has moved. */
  run: (args: number) => void;
}

/** One launch as threads see it. */
export interface Job {
  readonly kernel: Compiled;
  readonly blocks: number;
  /** Is it done before a thread could wake? Then the main thread does it alone. */
  readonly isShort?: boolean;
  /** Address of the first block, and bytes from one to the next. */
  readonly args: number;
  readonly stride: number;
  /** Address of the main thread's scratch memory; that of thread t lies t·scratchStride further on. */
  scratch: number;
  readonly scratchStride: number;
  /** Pairs (byte of the block, byte of the scratch memory). */
  readonly patches: readonly number[];
}

/** The threads of a device. The main one is thread 0, and works too. */
export interface Pool {
  readonly threads: number;
  /** Makes functions known; they are numbered in order. */
  readonly learn: (part: Part) => void;
  /** Runs all blocks of a launch. Errors: DeviceError if a kernel traps, or a thread has ended with a block in its hands. */
  readonly run: (job: Job) => void;
  /** Goes over to another memory, whose functions are still to be learnt; no launch is under way. */
  readonly move: (memory: Memory) => void;
  readonly close: () => void;
}

/** How many threads a person wants: TAUGRAD_THREADS, else those given, else all cores. Errors: InputError unless it is an integer ≥ 1. */
export const wantedThreads = (given: number = engine.cores()): number => {
  const text = engine.env.TAUGRAD_THREADS;
  if (text === undefined || text === "") return Math.min(given, 64);
  const wanted = Number(text);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 256)
    throw new InputError(`TAUGRAD_THREADS=${text}: the number of threads must be an integer, 1 to 256`);
  return wanted;
};

/** The main thread, which runs blocks. */
export interface Alone extends Pool {
  readonly runBlock: (job: Job, block: number) => void;
}

/** The main thread alone over a memory. */
export const createAlone = (first: Memory): Alone => {
  let memory = first;
  let words = new Int32Array(memory.buffer);
  const runBlock = ({ kernel, args, stride, scratch, patches }: Job, block: number): void => {
    const at = args + block * stride;
    if (patches.length > 0) {
      if (at + stride > words.byteLength) words = new Int32Array(memory.buffer);
      for (let i = 0; i < patches.length; i += 2) writeWord(words, at + patches[i], scratch + patches[i + 1]);
    }
    kernel.run(at);
  };
  return {
    threads: 1,
    learn: () => {},
    runBlock,
    run: (job) => {
      for (let block = 0; block < job.blocks; block++) runBlock(job, block);
    },
    move: (to) => {
      memory = to;
      words = new Int32Array(memory.buffer);
    },
    close: () => {},
  };
};
