import type { Tensor } from "../../../core/index.js";
import type { CallStep, MatmulStep, View } from "../../plan/steps.js";
import type { Features } from "../adapter/features.js";
import type { Limits } from "../adapter/limits.js";
import type { Kernel } from "../wgsl/module.js";
import type { Windows } from "../windows/windows.js";
import type { Layout } from "./matmul/layouts.js";
import type { Rates } from "./matmul/rates.js";
import type { Tile } from "./matmul/tiles.js";
import type { Part } from "./scatter-part.js";

/** Writes the kernels of a call, in order. */
export type Kernels = (step: CallStep, lowering: Lowering) => Kernel[];

/** How sums of rows by id are made. */
export interface RowSumming {
  /** Words of room for each position, in scratch buffer `room`. */
  readonly each: number;
  readonly room: number;
  /** Must the result be zeros before? Else what is not added to is written too. */
  readonly addsToZeros: boolean;
  /** Of a run of rows, `whole`: in parts of the positions, one after the other. */
  readonly kernels: (parts: readonly Part[], whole: View, lowering: Lowering) => Kernel[];
}

/** Kernels that not every adapter has use for. */
export interface KernelSet {
  /** Of a product that is not empty. */
  readonly matmul: (step: MatmulStep, lowering: Lowering) => Kernel[];
  readonly rowSums: RowSumming;
  /** Of fused ops. */
  readonly fused: Readonly<Record<string, Kernels>>;
  /** Are the f16 operands of a node rounded where they are read? Default: nowhere. */
  readonly roundsOperands?: (
    on: Pick<Lowering, "features" | "subgroup" | "leastSubgroup" | "limits">,
  ) => (node: Tensor) => boolean;
}

/** What kernels know while they are chosen and written. */
export interface Lowering {
  /**
   * true: a GPU, thousands of invocations, workgroup memory is fast. false: an adapter that runs on the CPU, where a few
   * long invocations without barriers are best.
   */
  readonly wide: boolean;
  /** Invocations of a subgroup, if that is always the same number and kernels may use subgroups. */
  readonly subgroup: number | undefined;
  /** The fewest invocations that a subgroup has: kernels may ask for so many where `features.sizedSubgroups` says so. */
  readonly leastSubgroup?: number;
  /** What kernels may use beyond what every device has: f16, subgroups, subgroup matrices. */
  readonly features: Features;
  /** Those that are this adapter's. */
  readonly kernelSet: KernelSet;
  /** What kernels keep to beyond what they bind. */
  readonly limits: Pick<Limits, "maxComputeWorkgroupStorageSize">;
  /** What products may choose among. Default: all. */
  readonly tiles?: readonly Tile[];
  /** The same on matrix units. */
  readonly layouts?: readonly Layout[];
  /** How fast tiles are on this adapter, as measured. Default: what they say themselves. */
  readonly rates?: Rates;
  /**
   * Asks for at least `words` four-byte words in scratch buffer `index`, and says where they begin: only in a batch elsewhere than
   * at 0. A step may not rely on what another left there.
   */
  readonly scratch: (index: number, words: number) => number;
  /** Most bindings of a kernel. */
  readonly mostBindings: number;
  /** What kernels bind: views pass through here before they are written into one. */
  readonly windows: Windows;
}
