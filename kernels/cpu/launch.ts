import { loadWord } from "./wasm/expression.js";
import type { Body, FunctionRef, Local, ModuleBuilder } from "./wasm/module.js";

/** A WebAssembly function (args) → nothing that reads addresses and sizes from a block of words (WORD bytes each) at `args`. */
export interface Kernel {
  /** Equal keys, equal code. */
  readonly key: string;
  readonly write: (module: ModuleBuilder, name: string) => void;
}

/** A word of an argument block: a number, or an address that is known when the program runs. */
export type Word =
  | number
  | { readonly buffer: number; readonly bytes: number }
  /** Bytes into the scratch memory of the thread that runs the block; its content does not outlive the block. */
  | { readonly scratch: number }
  /** Bytes into memory that all blocks of a step's launches share, one launch after the other. */
  | { readonly common: number };

/** Calls of one kernel, one for each block of arguments: independent of one another, on any thread, in any order. */
export interface Launch {
  readonly kernel: Kernel;
  readonly blocks: readonly (readonly Word[])[];
  /** About how many nanoseconds all blocks take, where they may be too short to be handed over to threads. */
  readonly work?: number;
  /** Bytes of scratch memory that a block needs. */
  readonly scratch?: number;
  /** Bytes of common memory that the launch uses. */
  readonly common?: number;
}

/** Work worth a block of its own, in units of about a nanosecond; handing a launch over to threads costs a few thousand. */
const GRAIN = 16_000;
/** Most blocks that one launch is cut into. How many it is never depends on the number of threads: nor do results. */
const MOST_BLOCKS = 32;

/** Is it worth handing over, in blocks that may be short? */
export const isWorthThreads = (work: number): boolean => work >= 2 * GRAIN;

/** How many blocks some work is worth: 1 if it is not worth handing over. */
export const blocksFor = (work: number): number => Math.max(1, Math.min(MOST_BLOCKS, Math.floor(work / GRAIN)));

/** Part of an axis. */
export interface Range {
  readonly from: number;
  readonly size: number;
}

/** Cuts an axis in at most `count` ranges whose starts are multiples of `unit`. */
export const cut = (length: number, count: number, unit = 1): Range[] => {
  const size = Math.max(unit, Math.ceil(length / count / unit) * unit);
  return Array.from({ length: Math.max(1, Math.ceil(length / size)) }, (_, i) => ({
    from: i * size,
    size: Math.min(size, length - i * size),
  }));
};

/** The same place, so many elements of so many bytes further on. */
export const moved = (word: Word, elements: number, size = 4): Word => {
  if (typeof word === "number" || !("buffer" in word)) throw new TypeError("only addresses of buffers move");
  return { buffer: word.buffer, bytes: word.bytes + size * elements };
};

const bits = new DataView(new ArrayBuffer(4));
/** A float as an argument word. */
export const floatWord = (x: number): number => {
  bits.setFloat32(0, x);
  return bits.getInt32(0);
};

/** Writes a number where a word is, low half first: 32-bit code reads that one, and a float is that one. */
export const writeWord = (memory: Int32Array, byte: number, x: number): void => {
  memory[byte / 4] = x;
  memory[byte / 4 + 1] = Math.floor(x / 2 ** 32);
};

/** A kernel whose code does not depend on shapes; `words` names the argument words in order. */
export const fixedKernel = <const Names extends readonly string[]>(
  key: string,
  words: Names,
  write: (body: Body, arg: Record<Names[number], Local<"i32">>, args: Local<"i32">) => void,
): Kernel => ({
  key,
  write: (module, name): FunctionRef<undefined> =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const locals = words.map((word, i) => [word, body.let(loadWord(args, i))]);
      write(body, Object.fromEntries(locals) as Record<Names[number], Local<"i32">>, args);
    }),
});
