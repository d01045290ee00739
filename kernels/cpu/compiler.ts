import type { Kernel } from "./launch.js";
import { instantiate, type Memory } from "./wasm/host.js";
import { moduleBuilder } from "./wasm/module.js";

export type Compiled = (args: number) => void;

/** Turns kernels into functions; each distinct one is compiled once in the life of a device. */
export interface Compiler {
  /** The functions of these kernels, in order. Those not known yet become one module. */
  readonly compile: (kernels: readonly Kernel[]) => Compiled[];
  readonly count: () => number;
}

export const createCompiler = (memory: Memory): Compiler => {
  const known = new Map<string, Compiled>();
  return {
    compile: (kernels) => {
      const missing = new Map(kernels.filter(({ key }) => !known.has(key)).map((kernel) => [kernel.key, kernel]));
      if (missing.size > 0) {
        const module = moduleBuilder();
        const names = new Map([...missing.keys()].map((key, i) => [key, `k${i}`]));
        for (const [key, kernel] of missing) kernel.write(module, names.get(key) as string);
        const exports = instantiate(module.bytes(), memory);
        for (const [key, name] of names) known.set(key, exports[name] as Compiled);
      }
      return kernels.map(({ key }) => known.get(key) as Compiled);
    },
    count: () => known.size,
  };
};
