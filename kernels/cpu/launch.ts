import type { Body, FunctionRef, Local, ModuleBuilder } from "./wasm/module.js";
import { i32 } from "./wasm/ops.js";

/** A WebAssembly function (args) → nothing that reads addresses and sizes from a block of 32-bit words at `args`. */
export interface Kernel {
  /** Equal keys, equal code. */
  readonly key: string;
  readonly write: (module: ModuleBuilder, name: string) => void;
}

/** A word of an argument block: a number, or an address that is known when the program runs. */
export type Word =
  | number
  | { readonly buffer: number; readonly bytes: number }
  /** Bytes into the device's scratch memory, whose content does not outlive the launch. */
  | { readonly scratch: number };

/** One call of a kernel. */
export interface Launch {
  readonly kernel: Kernel;
  readonly words: readonly Word[];
  /** Bytes of scratch memory that it needs. */
  readonly scratch: number;
}

const bits = new DataView(new ArrayBuffer(4));
/** A float as an argument word. */
export const floatWord = (x: number): number => {
  bits.setFloat32(0, x);
  return bits.getInt32(0);
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
      const locals = words.map((word, i) => [word, body.let(i32.load(args, 4 * i))]);
      write(body, Object.fromEntries(locals) as Record<Names[number], Local<"i32">>, args);
    }),
});
