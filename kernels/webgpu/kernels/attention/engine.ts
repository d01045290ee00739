import type { Builder, Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import type { Units } from "../matmul/units.js";
import { type Block, block } from "./block.js";
import type { Frame } from "./frame.js";
import { matrixBlock } from "./matrix-block.js";

/** What works on a kernel's tiles: matrix units where they were asked for, else each invocation for itself. */
export const blockOf = (k: Builder, { measures, heads }: Frame, units: Units | undefined): Block =>
  units === undefined ? block(k, measures, heads.quads) : matrixBlock(k, measures, heads.quads, units);

export const finished = (k: Builder, f: Frame, body: readonly string[], units: Units | undefined): Kernel =>
  k.finish({
    ...{ workgroupSize: f.measures.lanes, workgroups: f.workgroups, body: indent(body) },
    ...(units !== undefined && { subgroup: units.varies ? units.lanes : ("any" as const) }),
  });
