import type { Graph, Planned, ProgramMemory } from "../../core/index.js";
import { oneNameEach } from "../plan/names.js";
import { largestOf, memoryOf, plan } from "../plan/plan.js";
import type { Plan, PlanTeller } from "../plan/steps.js";
import type { Features } from "./adapter/features.js";
import type { Limits } from "./adapter/limits.js";
import { lowerAlike } from "./kernels/alike.js";
import { fusedOps, reads16 } from "./kernels/lower.js";
import type { KernelSet, Lowering } from "./kernels/lowering.js";
import type { Layout } from "./kernels/matmul/layouts.js";
import type { Rates } from "./kernels/matmul/rates.js";
import type { Tile } from "./kernels/matmul/tiles.js";
import { checkBuffer } from "./pool.js";
import type { Kernel } from "./wgsl/module.js";
import { type Bounds, createWindows, type Windows } from "./windows/windows.js";

/** All of an adapter that programs depend on, beside its kernels. */
export interface Traits {
  /** What to keep to: never the device's own limits, which may be wider. */
  readonly limits: Limits;
  /** Kernels for GPUs: see `Lowering`. */
  readonly wide: boolean;
  /** Invocations of a subgroup, if that is always the same number and kernels may use subgroups. */
  readonly subgroup: number | undefined;
  /** The fewest invocations that a subgroup has; kernels may ask for so many where `features.sizedSubgroups` says so. */
  readonly leastSubgroup?: number;
  /** What kernels may use beyond what every device has. */
  readonly features: Features;
  /** What products may choose among: see `Lowering`. */
  readonly tiles?: readonly Tile[];
  /** The same on matrix units. */
  readonly layouts?: readonly Layout[];
  /** How fast they are on this adapter, as measured: see `Lowering`. */
  readonly rates?: Rates;
  /** Most seconds of planned work in a submit. Default: 0.1. */
  readonly sliceSeconds?: number;
}

/** All of an adapter that programs depend on. */
export interface Profile extends Traits {
  /** Those that not every adapter has use for. */
  readonly kernelSet: KernelSet;
  /** See `Abilities`. */
  readonly tell?: PlanTeller;
}

/** A graph as kernels over buffers, before any adapter is asked for anything. */
export interface Prepared {
  readonly plan: Plan;
  readonly kernels: readonly Kernel[];
  /** For each kernel the place of the step in `plan.steps` that it is of. */
  readonly stepOf: readonly number[];
  readonly windows: Windows;
  /** Bytes of each scratch buffer. */
  readonly scratchBytes: readonly number[];
  readonly memory: ProgramMemory;
}

/** What a kernel may bind under these limits. */
export const boundsOf = (limits: Limits): Bounds => ({
  binding: limits.maxStorageBufferBindingSize,
  alignment: limits.minStorageBufferOffsetAlignment,
  bindings: limits.maxStorageBuffersPerShaderStage,
});

/** Plans a graph and writes its kernels: a function of the graph's structure and the profile. */
export const prepare = (graph: Graph, profile: Profile): Prepared => {
  const { limits, wide, subgroup, leastSubgroup, features, tiles, layouts, rates, kernelSet } = profile;
  const { maxStorageBuffersPerShaderStage: maxBuffers, maxBufferSize: slotBytes } = limits;
  // One name for one piece of memory: what is written in place is bound once, to be read and written.
  const made: Plan = oneNameEach(
    plan(graph, {
      tell: profile.tell,
      fused: fusedOps(kernelSet),
      reads16,
      maxBuffers,
      inPlace: true,
      batches: wide,
      largeBatches: wide,
      epilogue: wide,
      slotBytes,
      f16Operands: kernelSet.roundsOperands?.(profile) ?? (() => false),
    }),
  );
  for (const { bytes, of } of made.buffers) checkBuffer(bytes, limits, 0, of); // before anything runs
  const scratchBytes: number[] = [];
  const windows = createWindows(made.buffers, boundsOf(limits));
  const lowering: Lowering = {
    ...{ wide, subgroup, leastSubgroup, features, kernelSet, limits, tiles, layouts, rates, windows },
    mostBindings: maxBuffers,
    scratch: (index, words) => {
      if (words === 0) return 0;
      for (let i = scratchBytes.length; i <= index; i++) scratchBytes.push(0);
      scratchBytes[index] = Math.max(scratchBytes[index], 4 * words);
      return 0;
    },
  };
  const lowered = made.steps.map(lowerAlike(lowering));
  const kernels = lowered.flat();
  const memory = memoryOf(made);
  const working = scratchBytes.reduce((n, bytes) => n + bytes, 0);
  return {
    ...{ plan: made, kernels, windows, scratchBytes },
    stepOf: lowered.flatMap((some, at) => some.map(() => at)),
    memory: { ...memory, temporaries: memory.temporaries + working, peak: memory.peak + working },
  };
};

/** What a program would take on an adapter of this profile. */
export const planWebgpu = (graph: Graph, profile: Profile): Planned => {
  const { plan: made, kernels, memory } = prepare(graph, profile);
  return { memory, launches: kernels.length, largest: largestOf(made) };
};
