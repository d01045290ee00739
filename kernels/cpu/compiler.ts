import type { Heap } from "./heap.js";
import type { Kernel } from "./launch.js";
import type { Compiled, Pool } from "./threads/pool.js";
import type { Bits } from "./wasm/bits.js";
import { compileModule, link } from "./wasm/host.js";
import { moduleBuilder } from "./wasm/module.js";

/** Turns kernels into functions; each distinct one is compiled once in the life of a device. */
export interface Compiler {
  /** The functions of these kernels, in order. Those not known yet become one module. */
  readonly compile: (kernels: readonly Kernel[]) => Compiled[];
  /** Compiles all of them anew, once memory has moved. */
  readonly renew: () => void;
  readonly count: () => number;
}

export const createCompiler = (heap: Heap, { learn }: Pick<Pool, "learn">, bits: Bits = "native"): Compiler => {
  const known = new Map<string, Compiled & { readonly kernel: Kernel }>();
  /** One module of these kernels, in order. */
  const functionsOf = (kernels: readonly Kernel[]): Compiled["run"][] => {
    const { memory, addressing } = heap;
    const builder = moduleBuilder(addressing, bits);
    const names = kernels.map((_, i) => `k${i}`);
    kernels.forEach((kernel, i) => {
      kernel.write(builder, names[i]);
    });
    const bytes = builder.bytes();
    const module = compileModule(bytes);
    const exports = link(module, memory);
    learn({ module, bytes, names });
    return names.map((name) => exports[name]);
  };
  return {
    compile: (kernels) => {
      const missing = new Map(kernels.filter(({ key }) => !known.has(key)).map((kernel) => [kernel.key, kernel]));
      if (missing.size > 0) {
        const functions = functionsOf([...missing.values()]);
        [...missing.values()].forEach((kernel, i) => {
          known.set(kernel.key, { kernel, id: known.size, run: functions[i] });
        });
      }
      return kernels.map(({ key }) => known.get(key) as Compiled);
    },
    renew: () => {
      if (known.size === 0) return;
      const all = [...known.values()];
      functionsOf(all.map(({ kernel }) => kernel)).forEach((run, i) => {
        all[i].run = run;
      });
    },
    count: () => known.size,
  };
};
