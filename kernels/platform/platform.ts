/**
 * What devices need of where they run. Each piece stands twice, in node/ and in browser/, under the same name; sources import
 * that of node/, and the build for browsers takes the other in its place (build-browser.mjs).
 */
import type { Memory, WasmModule } from "../cpu/wasm/host.js";

/** Functions of one module, by their names in it. */
export interface Part {
  readonly module: WasmModule;
  /** Of which it was compiled. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly names: readonly string[];
}

/** A worker thread as the main thread knows it. It keeps no process alive. */
export interface Helper {
  readonly tell: (part: Part) => void;
  /** Has it begun to work, and ended? Known at once, also while the main thread lets nothing else in. */
  readonly hasEnded: () => boolean;
  /** It is not needed any more. */
  readonly close: () => void;
}

export interface Threads {
  /** Starts a thread; undefined if the system gives none. `onEnd` is told if it ends by itself once it has begun. */
  readonly startHelper: (memory: Memory, thread: number, onEnd: () => void) => Helper | undefined;
  /** Sleeps while a word of shared memory has that value, at most so many milliseconds; not at all where this thread may not. */
  readonly sleep: (words: Int32Array, index: number, value: number, milliseconds: number) => void;
}

export interface Engine {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What this is, and of which version. */
  readonly platform: string;
  readonly version: string;
  /** Bytes of memory that the machine has, or that its container may use. */
  readonly memory: () => number;
  /** How many threads may work at once. */
  readonly cores: () => number;
  /**
   * Does its compiler leave WebAssembly in the order that it is written in? Others move loads to the front of a loop, where they
   * wait in registers.
   */
  readonly keepsOrder: boolean;
  /** Turns on relaxed SIMD, where it waits behind a flag. */
  readonly unlockRelaxedSimd: () => void;
}

/** What is looked at to tell why there is no GPU: laws give one of their own. */
export interface Machine {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Empty for a user without a home. */
  readonly home: string;
  readonly exists: (path: string) => boolean;
  /** May this user read and write it? */
  readonly opens: (path: string) => boolean;
  /** Names in a folder; none if there is no such folder. */
  readonly names: (folder: string) => readonly string[];
  /** Is the shared library there? */
  readonly loads: (library: string) => boolean;
}

/** What can be told of GPUs' drivers where Dawn tells nothing: of this machine, unless it is given another. */
export interface Drivers {
  /** Why no driver can work here; asked before Dawn is, which would print warnings of its own to stderr. */
  readonly problem: (machine?: Machine) => string | undefined;
  /** A GPU that is here and not to be seen, and how to mend that. */
  readonly hiddenGpu: (machine?: Machine) => string | undefined;
  /** Why there is no adapter, as far as it can be told. */
  readonly whyNoAdapter: (machine?: Machine) => string;
}

/** What gives adapters: npm `webgpu`, or something that looks like it. */
export interface Dawn {
  readonly create: (flags: string[]) => object;
}

/** What is asked of a GPUDevice while its work is awaited. */
export interface Asked {
  readonly queue: { readonly submit: (nothing: []) => unknown };
  readonly pushErrorScope: (filter: "validation") => unknown;
  readonly popErrorScope: () => Promise<unknown>;
}

export interface WebGpu {
  /** Is it there at all? Asked before the machine is: without it a driver is of no use. */
  readonly isInstalled: () => boolean;
  /** Errors: DeviceError if it is not there, or does not load. */
  readonly loadDawn: () => Promise<Dawn>;
  /** What to do where there is no adapter. */
  readonly noAdapterHint: string;
  /** Awaits what the GPU does, and sees to it that it goes on: what this device does is seen soon where it can be asked. */
  readonly patiently: <T>(promise: Promise<T>, device?: Asked) => Promise<T>;
}

/** Where small texts are kept from one process, or visit, to the next. */
export interface Cache {
  /** Version of what compiles shaders. */
  readonly compiler: () => string;
  /** Where what belongs to a key is kept; undefined where the user has no place for it. */
  readonly place: (key: string, folder?: string) => string | undefined;
  /** A text, or nothing; `problem` says that it is there and cannot be read. */
  readonly read: (place: string) => { readonly text?: string; readonly problem?: string };
  /** A reader sees the text as it was or whole. Errors: a word about it, if it cannot be written. */
  readonly write: (place: string, text: string) => string | undefined;
}
