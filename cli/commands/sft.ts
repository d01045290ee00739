import { paddingId } from "../../align/batch.js";
import { readRows, rowsOfKind } from "../../align/data.js";
import { completionObjective } from "../../align/objective.js";
import { sequenceSource } from "../../align/source.js";
import { tokenizeExamples } from "../../align/tokenize.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { withDevice } from "../session.js";
import { checkAdapter, withAdapter } from "../training/adapter.js";
import { checkTogether, readConfigs } from "../training/check.js";
import { reportRows } from "../training/data.js";
import { runTask } from "../training/run.js";

/** `taugrad sft`: next-token training on completions, or on whole documents. */
export const sftCommand = async (values: Values<"sft">, out: Output): Promise<void> => {
  const { model_name_or_path: folder, dataset_name: path } = values;
  checkTogether(values, out);
  const config = readConfigs(values);
  checkAdapter(values, config, out);
  const tokenizer = loadTokenizer(folder);
  const rows = rowsOfKind(readRows(path), "completion", "document");
  const { vocabSize } = config;
  const { sequences, report } = tokenizeExamples(rows, tokenizer, { maxLength: values.max_length, vocabSize });
  reportRows(path, rows.length, report, out);
  await withDevice(values.device, out, async (device) => {
    const model = loadModel(folder);
    const source = sequenceSource(sequences, {
      batchSize: values.per_device_train_batch_size,
      padId: paddingId(tokenizer, vocabSize),
      seed: values.seed,
      shuffle: values.shuffle_dataset,
    });
    const objective = completionObjective(config, { checkpoint: values.gradient_checkpointing });
    const task = { label: "sft", model, objective, source };
    await withAdapter(task, values, device, out, (adapted) => runTask(adapted, values, device, out));
  });
};
