/**
 * Compiles the pipelines of a list that it reads from stdin, one after another, and writes a line to stderr after each: what the
 * driver wrote before that line is of that pipeline. A process of its own, because drivers write where no one can listen.
 */
import { readFileSync, writeSync } from "node:fs";
import { featuresOf, namesOf } from "../../kernels/webgpu/adapter/features.js";
import { findAdapter } from "../../kernels/webgpu/adapter/find.js";
import { modeOf } from "../../kernels/webgpu/adapter/modes.js";
import { createPipelines } from "../../kernels/webgpu/pipelines.js";
import type { Kernel } from "../../kernels/webgpu/wgsl/module.js";
import { AFTER } from "./driver.js";

const kernels: readonly Kernel[] = JSON.parse(readFileSync(0, "utf8"));
const { gpu, adapter, report } = await findAdapter(modeOf());
const device = await adapter.requestDevice({
  requiredFeatures: namesOf(featuresOf(report)) as GPUFeatureName[],
  requiredLimits: report.limits,
});
const pipelines = createPipelines(device, (error) => {
  throw error;
});
writeSync(2, `${AFTER}start\n`);
for (const kernel of kernels) {
  await pipelines.compile(kernel).ready.promise;
  writeSync(2, `${AFTER}${kernel.label}\n`);
}
void gpu;
process.exit(0);
