import type { Builder, Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import { type Block, block } from "./block.js";
import type { Frame } from "./frame.js";
import type { liftsOf } from "./lifts.js";
import type { Measures } from "./tile.js";

/** What works on a kernel's tiles where each invocation does not for itself: matrix units. */
export interface Engine {
  readonly block: (k: Builder, measures: Measures, quads: string) => Block;
  readonly lifts: typeof liftsOf;
  /** Invocations of a subgroup that kernels must ask for. */
  readonly subgroup: number | "any";
}

export const blockOf = (k: Builder, { measures, heads }: Frame, engine: Engine | undefined): Block =>
  (engine?.block ?? block)(k, measures, heads.quads);

export const finished = (k: Builder, f: Frame, body: readonly string[], engine: Engine | undefined): Kernel =>
  k.finish({
    ...{ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) },
    ...(engine !== undefined && { subgroup: engine.subgroup }),
  });
