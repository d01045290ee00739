import { paddingId } from "../../align/batch.js";
import { readRows, rowsOfKind } from "../../align/data.js";
import { preferenceObjective } from "../../align/objective.js";
import { referenceLogps } from "../../align/reference.js";
import { pairSource } from "../../align/source.js";
import { tokenizePairs } from "../../align/tokenize.js";
import { dispose } from "../../core/index.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { withDevice } from "../session.js";
import { checkAdapter, loadReference, withAdapter } from "../training/adapter.js";
import { checkTogether, readConfigs } from "../training/check.js";
import { reportRows } from "../training/data.js";
import { runTask } from "../training/run.js";

/** `taugrad dpo`: training on preference pairs against a reference model. */
export const dpoCommand = async (values: Values<"dpo">, out: Output): Promise<void> => {
  const { model_name_or_path: folder, dataset_name: path } = values;
  checkTogether(values, out);
  const config = readConfigs(values);
  checkAdapter(values, config, out);
  const tokenizer = loadTokenizer(folder);
  const rows = rowsOfKind(readRows(path), "paired");
  const { vocabSize } = config;
  const { pairs, report } = tokenizePairs(rows, tokenizer, { maxLength: values.max_length, vocabSize });
  reportRows(path, rows.length, report, out);
  await withDevice(values.device, out, async (device) => {
    const model = loadModel(folder);
    // The policy moves, so the reference is a copy of its own even where both come from one folder.
    const reference = loadReference(values, device);
    try {
      const options = { batchSize: values.per_device_train_batch_size, padId: paddingId(tokenizer, vocabSize) };
      const known = values.precompute_ref_log_probs
        ? await referenceLogps(reference, pairs, options, device)
        : undefined;
      if (known !== undefined) dispose(reference.params);
      const source = pairSource(pairs, {
        ...options,
        seed: values.seed,
        shuffle: values.shuffle_dataset,
        reference: known,
      });
      const objective = preferenceObjective(config, {
        lossType: values.loss_type,
        beta: values.beta,
        checkpoint: values.gradient_checkpointing,
      });
      const task = { label: "dpo", model, objective, source, reference };
      await withAdapter(task, values, device, out, (adapted) => runTask(adapted, values, device, out));
    } finally {
      dispose(reference.params);
    }
  });
};
