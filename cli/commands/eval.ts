import { paddingId } from "../../align/batch.js";
import { readRows, rowsOfKind } from "../../align/data.js";
import { type Evaluation, evaluatePreferences } from "../../align/evaluate.js";
import { tokenizePairs } from "../../align/tokenize.js";
import { dispose, InputError } from "../../core/index.js";
import { readConfig } from "../../models/config.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { withDevice } from "../session.js";
import { checkSameVocabulary } from "../training/check.js";
import { reportRows } from "../training/data.js";

/** `taugrad eval`: loss and metrics of a model against a reference, over rows in file order. */
export const evalCommand = async (values: Values<"eval">, out: Output): Promise<void> => {
  const { model: folder, ref_model: reference, data: path, loss_type: lossType, label_smoothing } = values;
  if (label_smoothing > 0) out.note(`note: ${lossType} ignores label smoothing, as TRL's does`);
  const config = readConfig(folder);
  checkSameVocabulary([folder, config], [reference, readConfig(reference)]);
  const tokenizer = loadTokenizer(folder);
  const { vocabSize } = config;
  const rows = rowsOfKind(readRows(path).slice(0, values.limit), "paired");
  const { pairs, report } = tokenizePairs(rows, tokenizer, { maxLength: values.max_length, vocabSize });
  reportRows(path, rows.length, report, out);
  const found = await withDevice(values.device, out, async (device) => {
    const [policy, ref] = [loadModel(folder, device), loadModel(reference, device)];
    out.start();
    try {
      const options = {
        ...{ lossType, beta: values.beta, batchSize: values.batch_size, gradNorms: values.grad_norms },
        padId: paddingId(tokenizer, vocabSize),
      };
      return await evaluatePreferences(policy, ref, pairs, options, device);
    } finally {
      dispose(policy.params, ref.params);
    }
  });
  if (!Number.isFinite(found.loss))
    throw new InputError(`${folder}: the loss is ${found.loss}; the weights are broken or have diverged`);
  out.result(found, () => describe(found));
};

const describe = ({ loss, metrics, grad_norms = {} }: Evaluation): string => {
  const lines = Object.entries({ loss, ...metrics, ...prefixed("grad_norm ", grad_norms) });
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value.toFixed(6)}`).join("\n");
};

const prefixed = (prefix: string, values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
