import { exampleDataset } from "../../align/data/dataset.js";
import { sequenceSource } from "../../align/data/source.js";
import { completionObjective } from "../../align/objectives/objective.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/command.js";

/** `taugrad sft`: next-token training on completions, or on whole documents. */
export const sftCommand = (values: Values<"sft">, out: Output): Promise<void> =>
  trainingCommand(
    {
      label: "sft",
      read: exampleDataset,
      build: async ({ config, choice, rows, evalRows, training, evaluation }) => ({
        objective: completionObjective(config, { checkpoint: choice.checkpoint }),
        source: sequenceSource(rows, training),
        evalSource: evalRows && sequenceSource(evalRows, evaluation),
      }),
    },
    values,
    out,
  );
