import { paddingId } from "../../align/data/batch.js";
import { labelledDataset, pairDataset } from "../../align/data/dataset.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { type Evaluation, evaluateKto, evaluatePreferences } from "../../align/training/evaluate.js";
import { type Device, dispose, InputError } from "../../core/index.js";
import { type ModelConfig, readConfig } from "../../models/config.js";
import { loadModel, loadTokenizer, type Model } from "../../models/index.js";
import { checkSameVocabulary } from "../../run/checks/check.js";
import { withDevice } from "../../run/device.js";
import { readDataset } from "../../run/parts/data.js";
import { checkKtoLoss, pairLossOptions } from "../../run/parts/losses.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

/** An evaluation whose rows are read. */
interface Prepared {
  readonly usesReference: boolean;
  readonly score: (policy: Model, reference: Model | undefined, device: Device) => Promise<Evaluation>;
  readonly close: () => void;
}
type Prepare = (values: Values<"eval">, config: ModelConfig, out: Output) => Promise<Prepared>;

/** `taugrad eval`: loss and metrics of a model against a reference, over rows in file order. */
export const evalCommand = async (values: Values<"eval">, out: Output): Promise<void> => {
  const { model: folder, ref_model: referenceFolder } = values;
  const config = readConfig(folder);
  checkSameVocabulary([folder, config], [referenceFolder, readConfig(referenceFolder)]);
  const { usesReference, score, close } = await (values.loss_type.includes("kto") ? ofAnswers : ofPairs)(
    values,
    config,
    out,
  );
  const found = await withDevice(values, out, async (device) => {
    const policy = loadModel(folder, device);
    const reference = usesReference ? loadModel(referenceFolder, device) : undefined;
    out.start();
    try {
      return await score(policy, reference, device);
    } finally {
      dispose(policy.params, reference?.params ?? {});
    }
  }).finally(close);
  if (!Number.isFinite(found.loss))
    throw new InputError(`${folder}: the loss is ${found.loss}; the weights are broken or have diverged`);
  out.result(found, () => describe(found));
};

/** What both kinds of rows are read and cut into batches by. */
const common = (values: Values<"eval">, { vocabSize }: ModelConfig) => {
  const tokenizer = loadTokenizer(values.model);
  return {
    tokenizer,
    cut: {
      ...{ maxLength: values.max_length, vocabSize, otherwise: "test", orOnly: true },
      ...{ inflation: values.max_inflation, longestRow: values.max_row_bytes },
    },
    batches: {
      ...{ padId: paddingId(tokenizer, vocabSize), batchSize: values.batch_size },
      ...{ gradNorms: values.grad_norms, beta: values.beta },
    },
  };
};

const ofPairs: Prepare = async (values, config, out) => {
  const loss = pairLossOptions(values, out);
  const { tokenizer, cut, batches } = common(values, config);
  const pairs = await readDataset(pairDataset, values.data, tokenizer, { ...cut, limit: values.limit }, out);
  return {
    usesReference: preferenceObjective(config, loss).usesReference,
    score: (policy, reference, device) =>
      evaluatePreferences(policy, reference, pairs, { ...batches, ...loss }, device),
    close: pairs.close,
  };
};

const ofAnswers: Prepare = async (values, config, out) => {
  checkKtoLoss(values, { batch_size: values.batch_size });
  const { tokenizer, cut, batches } = common(values, config);
  const { limit, desirable_weight: desirableWeight, undesirable_weight: undesirableWeight } = values;
  const rows = await readDataset(labelledDataset, values.data, tokenizer, { ...cut, limit }, out);
  const options = { ...batches, desirableWeight, undesirableWeight, maxLength: values.max_length };
  return {
    usesReference: true,
    score: (policy, reference, device) => evaluateKto(policy, reference as Model, rows, options, device),
    close: rows.close,
  };
};

const describe = ({ loss, metrics, grad_norms = {} }: Evaluation): string => {
  const lines = Object.entries({ loss, ...metrics, ...prefixed("grad_norm ", grad_norms) });
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value.toFixed(6)}`).join("\n");
};

const prefixed = (prefix: string, values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
