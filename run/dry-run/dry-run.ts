import type { Dataset } from "../../align/data/dataset.js";
import type { TokenizeReport } from "../../align/data/report.js";
import type { Device } from "../../core/index.js";
import type { Tokenizer } from "../../models/index.js";
import { tellDrift } from "../checks/start-checks.js";
import type { TrainingKind } from "../fit/kinds.js";
import type { TrainingValues } from "../options/takes.js";
import { yamlOf } from "../outputs/settings.js";
import type { Span } from "../parts/cadence.js";
import type { Voice } from "../voice.js";
import { choose } from "./choose.js";
import { printMemory } from "./memory-table.js";
import type { Outline } from "./rehearsal.js";
import { printSamples, type SampleRow, sampleRows } from "./sample-rows.js";

/** What a dry run looks at: a recipe, and its parts as far as they are there. */
export interface DryRun<V extends TrainingValues, T> extends Outline<V, T> {
  readonly rows: Dataset<T>;
  readonly evalRows: Dataset<T> | undefined;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
}

/** What a run would be: `dry_run`. */
export interface RunPlan extends Span {
  readonly command: TrainingKind;
  /** Every key with its value. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What became of the rows. */
  readonly data: Readonly<TokenizeReport>;
  readonly eval_data?: Readonly<TokenizeReport>;
  /** Two rows as the model reads them, and what of them is learned. */
  readonly samples: readonly SampleRow[];
  readonly recomputed_layers: number;
  readonly reference_asked_before: boolean;
  /** Bytes at the busiest moment, and who takes them. */
  readonly memory: Readonly<Record<string, number>>;
  readonly peak_memory_bytes: number;
  /** `cpu`, `webgpu`, … */
  readonly device: string;
}

/** What a run would be: settings, two rows as the model reads them, steps, memory. Writes nothing. */
export const dryRun = async <V extends TrainingValues, T>(run: DryRun<V, T>, out: Voice): Promise<RunPlan> => {
  const { recipe, settings, rows, evalRows, tokenizer, device: real } = run;
  const { values } = settings;
  const { choice, rehearsed } = await choose(run, real, out);
  const { memory, peak: peakBytes, span } = rehearsed;
  tellDrift(values, span.steps, out);
  return {
    ...{ command: recipe.label, config: { ...values, dry_run: undefined }, ...span },
    ...{ data: rows.report, eval_data: evalRows?.report, samples: sampleRows(rows, 2, tokenizer) },
    recomputed_layers: choice.checkpoint,
    reference_asked_before: choice.precompute,
    memory: Object.fromEntries(memory.map(({ what, bytes }) => [what, bytes])),
    peak_memory_bytes: peakBytes,
    device: real.name,
  };
};

/** A plan for people. */
export const shownPlan = async ({ config, samples, steps, stepsPerEpoch, memory, device }: RunPlan): Promise<string> =>
  [
    `# settings\n${await yamlOf(config)}`,
    `# rows: what is learned stands in ⟦ ⟧\n${printSamples(samples)}\n`,
    `# steps\n  ${steps}, ${stepsPerEpoch} an epoch\n`,
    `# memory on ${device}\n${printMemory(Object.entries(memory).map(([what, bytes]) => ({ what, bytes })))}`,
  ].join("\n");
