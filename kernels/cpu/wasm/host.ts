import { DeviceError } from "../../../core/index.js";

/** The part of the WebAssembly JavaScript interface that the device uses (TypeScript knows it only with the DOM library). */
export interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly grow: (pages: number | bigint) => number | bigint;
}

/** Sizes count pages; with 64-bit addresses they are BigInts, and so is what `grow` takes. */
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

/** Bytes of a page. */
export const PAGE = 65536;
/** Most pages that a memory with 32-bit addresses can have. */
export const MAX_PAGES = 65536;

/** What a memory is, as it is made and as modules import it. */
export interface Addressing {
  /** Are addresses of 64 bits? Default: no. */
  readonly isWide?: boolean;
  /** Do threads share it? Default: no. */
  readonly isShared?: boolean;
  /** Most pages that it may have. Default: MAX_PAGES. */
  readonly pages?: number;
}

const host = (globalThis as unknown as { WebAssembly: Host }).WebAssembly;

export const createMemory = (
  initial: number,
  { isWide, isShared = false, pages = MAX_PAGES }: Addressing = {},
): Memory =>
  isWide
    ? new host.Memory({ initial: BigInt(initial), maximum: BigInt(pages), shared: isShared, address: "i64" })
    : new host.Memory({ initial, maximum: pages, shared: isShared });

export const growMemory = (memory: Memory, pages: number, isWide: boolean): void => {
  memory.grow(isWide ? BigInt(pages) : pages);
};

/** Compiles a module, at once. */
export const compileModule = (bytes: Uint8Array<ArrayBuffer>): WasmModule => new host.Module(bytes);

/** The magic number and the version, of a module that holds nothing. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** May this program compile anything? Errors: DeviceError that tells why not: engines are run without, and pages have policies. */
export const checkCompiles = (): void => {
  if (!("WebAssembly" in globalThis))
    throw new DeviceError(
      "cpu: there is no WebAssembly here",
      "start Node without --jitless, or use device webgpu or reference",
    );
  try {
    compileModule(EMPTY);
  } catch (error) {
    throw new DeviceError(
      `cpu: WebAssembly may not be compiled here: ${(error as Error).message}`,
      "a page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'; else use device webgpu or reference",
    );
  }
};

/** A module's functions over a memory. */
export const link = (module: WasmModule, memory: Memory) => new host.Instance(module, { env: { memory } }).exports;

/** Does the engine know every instruction of this module? */
export const isValid = (bytes: Uint8Array<ArrayBuffer>): boolean => host.validate(bytes);
