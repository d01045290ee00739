import { debugs } from "../../core/debug.js";
import { type Pending, pending } from "./queue.js";
import { COMPUTE_STAGE } from "./usage.js";
import type { Kernel } from "./wgsl/module.js";

/** A pipeline on its way. `get` gives it once `ready` is done; undefined if it failed. */
export interface Compiled {
  readonly layout: GPUBindGroupLayout;
  readonly ready: Pending;
  readonly get: () => GPUComputePipeline | undefined;
}

export interface Pipelines {
  readonly compile: (kernel: Kernel) => Compiled;
  readonly count: () => number;
}

/** Pipelines by WGSL text. All that are asked for are compiled at once, by Dawn's threads. */
export const createPipelines = (device: GPUDevice, fail: (error: unknown) => void): Pipelines => {
  const layouts = new Map<string, GPUBindGroupLayout>();
  const pipelines = new Map<string, Compiled>();

  /** One layout a list of accesses: the uniform parameters, then storage buffers. */
  const layoutOf = (access: string): GPUBindGroupLayout => {
    const known = layouts.get(access);
    if (known !== undefined) return known;
    const storage = [...access].map((letter, i) => {
      const type: GPUBufferBindingType = letter === "w" ? "storage" : "read-only-storage";
      return { binding: i + 1, visibility: COMPUTE_STAGE, buffer: { type } };
    });
    const uniform = { binding: 0, visibility: COMPUTE_STAGE, buffer: { type: "uniform" as const } };
    const layout = device.createBindGroupLayout({ entries: [uniform, ...storage] });
    layouts.set(access, layout);
    return layout;
  };

  return {
    compile: ({ code, access, label }) => {
      const known = pipelines.get(code);
      if (known !== undefined) return known;
      if (debugs("shaders")) console.error(`// ${label}\n${code}\n`);
      const layout = layoutOf(access);
      let pipeline: GPUComputePipeline | undefined;
      const promise = device
        .createComputePipelineAsync({
          label,
          layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
          compute: { module: device.createShaderModule({ label, code }), entryPoint: "main" },
        })
        .then((made) => {
          pipeline = made;
        })
        .catch(fail);
      const compiled = { layout, ready: pending(promise), get: () => pipeline };
      pipelines.set(code, compiled);
      return compiled;
    },
    count: () => pipelines.size,
  };
};
