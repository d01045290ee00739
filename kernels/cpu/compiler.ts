import type { Heap } from "./heap.js";
import type { Kernel } from "./launch.js";
import type { Pool } from "./threads/pool.js";
import { compileModule, link } from "./wasm/host.js";
import { moduleBuilder } from "./wasm/module.js";

export interface Compiled {
  /** Its number, the same on all threads. */
  readonly id: number;
  /** It, on the main thread. */
  readonly run: (args: number) => void;
}

/** Turns kernels into functions; each distinct one is compiled once in the life of a device. */
export interface Compiler {
  /** The functions of these kernels, in order. Those not known yet become one module. */
  readonly compile: (kernels: readonly Kernel[]) => Compiled[];
  readonly count: () => number;
}

export const createCompiler = ({ memory, isShared }: Heap, { learn }: Pick<Pool, "learn">): Compiler => {
  const known = new Map<string, Compiled>();
  return {
    compile: (kernels) => {
      const missing = new Map(kernels.filter(({ key }) => !known.has(key)).map((kernel) => [kernel.key, kernel]));
      if (missing.size > 0) {
        const builder = moduleBuilder();
        const names = [...missing.keys()].map((_, i) => `k${i}`);
        [...missing.values()].forEach((kernel, i) => {
          kernel.write(builder, names[i]);
        });
        const module = compileModule(builder.bytes(isShared));
        const exports = link(module, memory);
        learn({ module, names });
        [...missing.keys()].forEach((key, i) => {
          known.set(key, { id: known.size, run: exports[names[i]] });
        });
      }
      return kernels.map(({ key }) => known.get(key) as Compiled);
    },
    count: () => known.size,
  };
};
