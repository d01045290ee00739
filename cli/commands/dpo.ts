import { pairDataset } from "../../align/data/dataset.js";
import { pairSource } from "../../align/data/source.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { startLoss } from "../training/checks/start-checks.js";
import { trainingCommand } from "../training/command.js";
import { checkCompared, comparedSources } from "../training/parts/compared.js";
import { pairLossOptions } from "../training/parts/losses.js";

/** `taugrad dpo`: training on preference pairs, against a reference model where the loss knows one. */
export const dpoCommand = async (values: Values<"dpo">, out: Output): Promise<void> => {
  const loss = pairLossOptions(values, out);
  checkCompared(values, out);
  await trainingCommand(
    {
      label: "dpo",
      read: pairDataset,
      build: async (parts) => {
        const { config, rows, evalRows, training, evaluation } = parts;
        const objective = preferenceObjective(config, { ...loss, checkpoint: values.gradient_checkpointing });
        if (objective.usesReference)
          return {
            objective,
            ...(await comparedSources({ label: "dpo", sourced: pairSource }, { ...parts, values }, out)),
            startLoss: await startLoss(loss, parts.device),
          };
        if (values.precompute_ref_log_probs)
          out.note(`note: precompute_ref_log_probs does nothing with loss_type ${values.loss_type.join(", ")}`);
        return {
          objective,
          source: pairSource(rows, training),
          evalSource: evalRows && pairSource(evalRows, evaluation),
        };
      },
    },
    values,
    out,
  );
};
