/** The part of the WebAssembly JavaScript interface that the device uses (TypeScript knows it only with the DOM library). */
export interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly grow: (pages: number) => number;
}

export type WasmModule = object;

interface Host {
  readonly Memory: new (limits: { initial: number; maximum: number; shared?: boolean }) => Memory;
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: Record<string, (...args: number[]) => number> };
}

const host = (globalThis as unknown as { WebAssembly: Host }).WebAssembly;

export const createMemory = (initial: number, maximum: number, shared = false): Memory =>
  new host.Memory({ initial, maximum, shared });

/** Compiles a module, at once. */
export const compileModule = (bytes: Uint8Array<ArrayBuffer>): WasmModule => new host.Module(bytes);

/** A module's functions over a memory. */
export const link = (module: WasmModule, memory: Memory) => new host.Instance(module, { env: { memory } }).exports;

/** Does the engine know every instruction of this module? */
export const isValid = (bytes: Uint8Array<ArrayBuffer>): boolean => host.validate(bytes);
