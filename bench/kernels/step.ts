import { resolveValues } from "../../cli/config.js";
import type { OptionName, Values } from "../../cli/options.js";
import type { Graph, Planner } from "../../core/index.js";
import { largestOf } from "../../kernels/plan/plan.js";
import { type Prepared, type Profile, prepare } from "../../kernels/webgpu/prepare.js";
import type { ModelConfig } from "../../models/index.js";
import type { PlanningDevice } from "../../run/dry-run/planning-device.js";
import { planRun } from "../../run/fit/fit.js";
import { fullRows } from "../../run/fit/rows.js";
import { dpoRecipe } from "../../run/recipes/dpo.js";
import { SILENT } from "../../run/voice.js";

/** What a training step is planned for: keys of `taugrad dpo`. */
export type StepKeys = Partial<Record<OptionName, unknown>>;

/** A training step before any adapter is asked for anything. */
export interface PlannedStep {
  /** Programs in the order they run, as often as they run. */
  readonly programs: readonly Prepared[];
  /** Bytes at the busiest moment of the run. */
  readonly peak: number;
}

/** Plans a step of DPO that computes each layer again once, on rows of `max_length` tokens. Errors: Error where it cannot be planned. */
export const planStep = async (config: ModelConfig, profile: Profile, keys: StepKeys): Promise<PlannedStep> => {
  const folder = "model"; // nothing is read of it
  const needed = {
    model_name_or_path: folder,
    dataset_name: folder,
    output_dir: folder,
    base_model_name_or_path: folder,
  };
  const values = {
    ...(await resolveValues("dpo", new Map(Object.entries(needed) as [OptionName, unknown][]))),
    ...keys,
    dry_run: true,
  } as Values<"dpo">;
  const planned = new Map<Graph, Prepared>();
  let last: Prepared | undefined;
  const planner: Planner = {
    ...{ name: "webgpu", description: "webgpu: planned", limits: { buffer: profile.limits.maxBufferSize } },
    plan: (graph) => {
      last = planned.get(graph) ?? prepare(graph, profile);
      return { memory: last.memory, launches: last.kernels.length, largest: largestOf(last.plan) };
    },
  };
  const logs: Prepared[][] = [];
  const watch = (device: PlanningDevice): PlanningDevice => {
    const log: Prepared[] = [];
    logs.push(log);
    return {
      ...device,
      build: (graph) => {
        const program = device.build(graph);
        const own = last as Prepared;
        return {
          ...program,
          run: (inputs) => {
            log.push(own);
            return program.run(inputs);
          },
        };
      },
    };
  };
  const fit = await planRun(dpoRecipe(values, SILENT), values, config, fullRows.dpo, planner, watch, 1);
  if ("refused" in fit) throw new Error(fit.refused);
  const { launches, peak } = fit.rehearsed;
  // A rehearsal ends with its second step: the last programs that make up its launches.
  for (const log of logs.reverse()) {
    let [count, from] = [0, log.length];
    while (count < launches && from > 0) count += log[--from].kernels.length;
    if (count === launches) return { programs: log.slice(from), peak };
  }
  throw new Error(`no programs were run that launch ${launches} kernels together`);
};
