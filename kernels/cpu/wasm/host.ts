/** The part of the WebAssembly JavaScript interface that the device uses (TypeScript knows it only with the DOM library). */
export interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly grow: (pages: number | bigint) => number | bigint;
}

/** Sizes count pages of 64 KiB; with 64-bit addresses they are BigInts, and so is what `grow` takes. */
type Limits<Pages> = { readonly initial: Pages; readonly maximum: Pages; readonly shared: boolean };

export type WasmModule = object;

interface Host {
  readonly Memory: new (limits: Limits<number> | (Limits<bigint> & { readonly address: "i64" })) => Memory;
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: Record<string, (...args: number[]) => number> };
}

/** How a module sees memory. */
export interface Addressing {
  /** Are addresses of 64 bits? */
  readonly isWide?: boolean;
  /** Do threads share it? */
  readonly isShared?: boolean;
}

const host = (globalThis as unknown as { WebAssembly: Host }).WebAssembly;

export const createMemory = (
  initial: number,
  maximum: number,
  { isShared = false, isWide = false }: Addressing = {},
): Memory =>
  isWide
    ? new host.Memory({ initial: BigInt(initial), maximum: BigInt(maximum), shared: isShared, address: "i64" })
    : new host.Memory({ initial, maximum, shared: isShared });

export const growMemory = (memory: Memory, pages: number, isWide: boolean): void => {
  memory.grow(isWide ? BigInt(pages) : pages);
};

/** Compiles a module, at once. */
export const compileModule = (bytes: Uint8Array<ArrayBuffer>): WasmModule => new host.Module(bytes);

/** A module's functions over a memory. */
export const link = (module: WasmModule, memory: Memory) => new host.Instance(module, { env: { memory } }).exports;

/** Does the engine know every instruction of this module? */
export const isValid = (bytes: Uint8Array<ArrayBuffer>): boolean => host.validate(bytes);
