import type { Dataset } from "../../../align/data/dataset.js";
import type { Device } from "../../../core/index.js";
import type { Tokenizer } from "../../../models/index.js";
import type { Output } from "../../output.js";
import type { TrainingValues } from "../checks/check.js";
import { tellDrift } from "../checks/start-checks.js";
import { yamlOf } from "../outputs/settings.js";
import { choose } from "./choose.js";
import { printMemory } from "./memory-table.js";
import type { Outline } from "./rehearsal.js";
import { printSamples, sampleRows } from "./sample-rows.js";

/** What a dry run looks at: a recipe, and its parts as far as they are there. */
export interface DryRun<V extends TrainingValues, T> extends Outline<V, T> {
  readonly rows: Dataset<T>;
  readonly evalRows: Dataset<T> | undefined;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
}

/** Shows what a training command would run on: settings, two rows as the model reads them, steps, memory. Writes nothing. */
export const dryRun = async <V extends TrainingValues, T>(run: DryRun<V, T>, out: Output): Promise<void> => {
  const { recipe, settings, rows, evalRows, tokenizer, device: real } = run;
  const { values } = settings;
  const { choice, rehearsed } = await choose(run, real, out);
  const { memory, peak: peakBytes, span } = rehearsed;
  const samples = sampleRows(rows, 2, tokenizer);
  tellDrift(values, span.steps, out);
  const config = await yamlOf(values);
  const document = {
    ...{ command: recipe.label, config: { ...values, json: undefined, dry_run: undefined }, ...span },
    ...{ data: rows.report, eval_data: evalRows?.report, samples },
    recomputed_layers: choice.checkpoint,
    reference_asked_before: choice.precompute,
    memory: Object.fromEntries(memory.map(({ what, bytes }) => [what, bytes])),
    peak_memory_bytes: peakBytes,
  };
  const text = (): string =>
    [
      `# settings\n${config}`,
      `# rows: what is learned stands in ⟦ ⟧\n${printSamples(samples)}\n`,
      `# steps\n  ${span.steps}, ${span.stepsPerEpoch} an epoch\n`,
      `# memory on ${real.name}\n${printMemory(memory)}`,
    ].join("\n");
  out.result(document, text);
};
