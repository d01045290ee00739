import { exampleDataset } from "../../align/data/dataset.js";
import type { TokenizeOptions } from "../../align/data/sequence.js";
import { sequenceSource } from "../../align/data/source.js";
import { completionObjective } from "../../align/objectives/objective.js";
import type { TrainOptions } from "../../align/training/options.js";
import { nullSpaces } from "../../align/training/retained/activations.js";
import { type Directions, directionsIn } from "../../align/training/retained/directions.js";
import { type Device, dispose, InputError } from "../../core/index.js";
import type { Model, ModelConfig, Params, Tokenizer } from "../../models/index.js";
import type { Optimizer } from "../../optim/index.js";
import { NULL_SHARE } from "../../optim/retain/null-space.js";
import type { TrainingValues } from "../options/takes.js";
import type { Choice, RetainedRows } from "../recipe.js";
import type { Voice } from "../voice.js";
import { readDataset } from "./data.js";

/** What is made of retained data where nothing else is said. */
const DEFAULTS = { rows: 64, every: 10 };
/** A null space is of what about a thousand prompts make a model read. */
const SPACE_ROWS = 1024;

/** Rows that are taken of each set. */
export const retainedRows = ({ retain, retain_rows }: TrainingValues): number =>
  retain_rows ?? (retain === "null_space" ? SPACE_ROWS : DEFAULTS.rows);

/** Checks the keys of retained data. Errors: InputError for those that do not go together. */
export const checkRetained = (values: TrainingValues, { usesTau, report }: Optimizer): void => {
  const { retain, retain_dataset: sets, retain_rows, retain_every, retain_share } = values;
  const given = { retain_dataset: sets, retain_rows, retain_every, retain_share };
  if (retain === undefined) {
    const alone = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
    if (alone !== undefined)
      throw new InputError(`${alone} has no meaning without retain: orthogonal, opposed, drift or null_space`);
    return;
  }
  if (sets === undefined)
    throw new InputError(`retain: ${retain} needs retain_dataset, rows that the model is to be left as it is on`);
  if (sets.length > 2) throw new InputError(`retain_dataset names ${sets.length} sets; give one or two`);
  if (values.use_peft)
    throw new InputError(
      `retain: ${retain} holds the steps of whole weights, and use_peft trains an adapter; leave one out`,
    );
  const space = retain === "null_space";
  if (space && retain_every !== undefined)
    throw new InputError(
      "retain_every has no meaning with retain: null_space, which is made once, before the first step",
    );
  if (!space && retain_share !== undefined)
    throw new InputError(`retain_share has no meaning with retain: ${retain}; it belongs to null_space`);
  if (retain === "drift" && !usesTau)
    throw new InputError(
      `retain: drift decides where τ counts, and optim ${values.optim} merges none; choose ondare or onties`,
    );
  if (retain === "drift" && sets.length > 1)
    throw new InputError("retain: drift looks at one set; name one in retain_dataset");
  if (space && (values.compensated || values.dtype === "bfloat16"))
    throw new InputError(
      `retain: null_space needs dtype: float32, and no compensated: what rounding moves would leave the space`,
    );
  if (space && report !== undefined)
    throw new InputError(
      `retain: null_space: optim ${values.optim} hands out an average, which is held in no space; choose another`,
    );
};

/** Reads and tokenizes what is to be retained; undefined where the keys name nothing. The caller closes each. */
export const readRetained = async (values: TrainingValues, tokenizer: Tokenizer, cut: TokenizeOptions, out: Voice) => {
  const sets = [];
  for (const path of values.retain_dataset ?? [])
    sets.push(await readDataset(exampleDataset, path, tokenizer, { ...cut, limit: retainedRows(values) }, out));
  return sets;
};

/** A digest of what is retained, by its key. */
export const retainedDigests = (sets: RetainedRows): Readonly<Record<string, string>> =>
  sets.length === 0 ? {} : { retain_dataset: sets.map(({ fingerprint }) => fingerprint).join(" ") };

/** So many tensors are named. */
const NAMED = 3;
/** Fewer directions than this share of all are hardly any. */
const FEW = 0.1;

/** Tells how many directions a null space leaves to step in, and where fewest. Errors: InputError where it leaves none at all. */
export const tellDirections = async (
  spaces: Params,
  values: TrainingValues,
  device: Device,
  out: Pick<Voice, "note">,
): Promise<void> => {
  const all = await directionsIn(spaces, device);
  const total = (part: (one: Directions) => number): number => all.reduce((sum, one) => sum + part(one), 0);
  const share = total(({ left }) => left) / total(({ of }) => of);
  const none = all.filter(({ left }) => left === 0).length;
  const mend = `raise retain_share (${values.retain_share ?? NULL_SHARE}), or lower retain_rows (${retainedRows(values)})`;
  if (none === all.length)
    throw new InputError(
      `retain: null_space: retain_dataset makes each of the ${none} tensors read all of its directions, and none is left to step in; ${mend}`,
    );
  const fewest = all.slice(0, NAMED).map(({ name, left, of }) => `${name} ${left} of ${of}`);
  const isHardly = none > 0 || share < FEW;
  out.note(
    [
      `${isHardly ? "warning" : "note"}: retain: null_space leaves ${(100 * share).toFixed(1)} % of the directions to step in`,
      `fewest in ${fewest.join(", ")}${all.length > NAMED ? `, … (${all.length} tensors)` : ""}`,
      ...(none > 0 ? [`${none} ${none === 1 ? "has none and stays as it is" : "have none and stay as they are"}`] : []),
      ...(isHardly ? [mend] : []),
    ].join("; "),
  );
};

/** What a run is made from, as far as retained data asks. */
interface Ground {
  readonly values: TrainingValues;
  readonly config: ModelConfig;
  readonly choice: Choice;
  readonly padId: number;
  readonly retained?: RetainedRows;
}

/** What `train` is told of retained data: gradients that steer, or spaces that steps are held in. `release` frees what was made. */
export const retaining = (
  { values, config, choice, padId, retained = [] }: Ground,
  model: Model,
  device: Device,
): Pick<TrainOptions, "retain" | "spaces"> & { readonly release: () => void } => {
  const { retain, retain_every: every = DEFAULTS.every, retain_share: share } = values;
  if (retain === undefined) return { release: () => {} };
  const sets = retained.map((rows) => {
    const source = sequenceSource(rows, { padId, batchSize: values.per_device_train_batch_size, shuffle: false });
    return Array.from({ length: source.batchesPerEpoch }, (_, i) => source.at(i));
  });
  if (retain === "null_space") {
    const spaces = nullSpaces({ config, params: model.params, batches: sets.flat(), padId, share }, device);
    return { spaces, release: () => dispose(spaces) };
  }
  const objective = completionObjective(config, { checkpoint: choice.checkpoint, together: choice.together });
  return { retain: { objective, sets, every, use: retain }, release: () => {} };
};
