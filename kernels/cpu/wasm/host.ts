/** The part of the WebAssembly JavaScript interface that the device uses (TypeScript knows it only with the DOM library). */
export interface Memory {
  readonly buffer: ArrayBuffer;
  readonly grow: (pages: number) => number;
}

interface Host {
  readonly Memory: new (limits: { initial: number; maximum: number }) => Memory;
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: Record<string, (...args: number[]) => number> };
}

const host = (globalThis as unknown as { WebAssembly: Host }).WebAssembly;

export const createMemory = (initial: number, maximum: number): Memory => new host.Memory({ initial, maximum });

/** Compiles and links a module, at once. */
export const instantiate = (bytes: Uint8Array<ArrayBuffer>, memory: Memory) =>
  new host.Instance(new host.Module(bytes), { env: { memory } }).exports;

/** Does the engine know every instruction of this module? */
export const isValid = (bytes: Uint8Array<ArrayBuffer>): boolean => host.validate(bytes);
