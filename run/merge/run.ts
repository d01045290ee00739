import { join } from "node:path";
import {
  type Device,
  dispose,
  evaluate,
  foldInName,
  InputError,
  key,
  read,
  sizeOf,
  type Tensor,
  tensor,
  upload,
} from "../../core/index.js";
import { notFiniteAs } from "../../models/files/dtypes.js";
import type { AnnouncedTensor } from "../../models/files/safetensors-write.js";
import { singleFile } from "../../models/files/weights.js";
import { streamWeights } from "../../models/files/weights-stream.js";
import type { PlannedFile } from "../../models/files/weights-write.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";
import { inTurn } from "../../models/folders/work.js";
import { copyTokenizerFiles, type SideFiles, saveConfig, sideFilesOf } from "../../models/index.js";
import { diskFolder } from "../../models/platform/node/disk.js";
import { mergeTensors } from "../../optim/offline/index.js";
import type { MergePlan, PlannedMerge } from "./plan.js";
import type { Recipe } from "./recipe.js";
import { HEAD, type SourceModel, storedName } from "./source.js";

/** Where the merged model goes and how it is cut. */
export interface MergeTarget {
  readonly folder: string;
  /** Whose tokenizer is taken along. */
  readonly tokenizer: SideFiles;
  /** Decides the Bernoulli masks. */
  readonly seed: number;
  /** At most so many parameters a file; without it, the files of the donor. */
  readonly shardSize: number | undefined;
}

/** A model's tensor in the merged shape: rows that are too many are cut, rows that lack are `fill`'s. */
const readRows = (model: SourceModel, name: string, count: number, fill?: Float32Array): Float32Array => {
  const { data } = model.weights.read(storedName(model, name));
  // Not every method would show it: some drop what they cannot compare.
  const broken = notFiniteAs(data, "F32");
  if (broken !== undefined)
    throw new InputError(`${model.folder}: tensor "${name}" ${broken}; mend or leave out the model`);
  if (data.length >= count) return data.length === count ? data : data.subarray(0, count);
  if (fill === undefined)
    throw new InputError(`${model.folder}: tensor "${name}" has ${data.length} values, not ${count}`);
  const out = fill.slice();
  out.set(data);
  return out;
};

/**
 * The merged values of one tensor. Each model's copy is read, put on the device and let go before the next is read; beside
 * them lie the base's copy and what the merge computes, all of this one tensor.
 */
const mergeOne = async (
  { name, shape, parts, options }: PlannedMerge,
  { donor, deltas }: MergePlan,
  seed: number,
  device: Device,
): Promise<Float32Array> => {
  const count = sizeOf(shape);
  if (count === 0) return new Float32Array(0);
  const here: Tensor[] = [];
  const place = (data: Float32Array): Tensor => {
    const t = upload(tensor(data, shape), device);
    here.push(t);
    return t;
  };
  try {
    const baseData = deltas ? readRows(donor, name, count) : undefined;
    const base = baseData && place(baseData);
    const sources = parts.map(({ model, weight, density }) => ({
      tensor: place(readRows(model, name, count, baseData)),
      weight,
      density,
    }));
    const merged = evaluate(mergeTensors(sources, base, { ...options, key: foldInName(key(seed), name) }), device);
    here.push(merged);
    const data = await read(merged);
    return data instanceof Float32Array ? data : Float32Array.from(data);
  } finally {
    dispose(here);
  }
};

/** The files of the merged model: those of the donor, or as many as the shard size asks for. */
const filesFor = ({ donor, tensors }: MergePlan, shardSize: number | undefined): PlannedFile[] => {
  const entries = new Map(
    tensors.map(({ name, shape, dtype }): [string, AnnouncedTensor] => [name, { name, shape, dtype }]),
  );
  if (shardSize !== undefined) return cut([...entries.values()], shardSize);
  const { layout } = donor.weights;
  const files = layout.kind === "single" ? new Map([[singleFile, layout.names]]) : layout.files;
  const planned = [...files].map(([file, names]) => ({
    file,
    entries: names.flatMap((name) => (name === HEAD && donor.tied ? [] : (entries.get(name) ?? []))),
  }));
  // A head that the donor has not, because it was tied, goes to the end.
  const head = donor.tied ? entries.get(HEAD) : undefined;
  const full = planned.map((file, i) =>
    head !== undefined && i === planned.length - 1 ? { ...file, entries: [...file.entries, head] } : file,
  );
  return full.filter((file) => file.entries.length > 0 || layout.kind === "single");
};

const cut = (entries: readonly AnnouncedTensor[], shardSize: number): PlannedFile[] => {
  const groups: AnnouncedTensor[][] = [[]];
  let held = 0;
  for (const entry of entries) {
    const size = sizeOf(entry.shape);
    if (held > 0 && held + size > shardSize) {
      groups.push([]);
      held = 0;
    }
    groups[groups.length - 1].push(entry);
    held += size;
  }
  if (groups.length === 1) return [{ file: singleFile, entries: groups[0] }];
  const number = (n: number): string => String(n).padStart(5, "0");
  return groups.map((group, i) => ({
    file: `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    entries: group,
  }));
};

/** config.json of the donor, corrected in what the merge changes. */
const writeConfig = (
  { donor, vocabulary, tied }: MergePlan,
  { dtype }: Recipe,
  folder: string,
  from: SideFiles,
): void => {
  const raw = {
    ...donor.raw,
    ...(vocabulary !== undefined && { vocab_size: vocabulary }),
    ...(donor.tied && !tied && { tie_word_embeddings: false }),
  };
  const own = donor.raw.dtype ?? donor.raw.torch_dtype;
  const stored = (["float32", "float16", "bfloat16"] as const).find((name) => name === own) ?? "float32";
  saveConfig(folder, { raw, dtype: stored }, { dtype: dtype ?? stored, from });
};

/**
 * Merges tensor by tensor, so that memory is bounded by the copies of the largest tensor, one a model, into a folder that
 * transformers and `loadModel` load. config.json comes last, so that a folder with one is complete.
 * Errors: InputError naming the first tensor that holds what is not finite, in a model or as it would be stored.
 */
export const runMerge = async (
  plan: MergePlan,
  recipe: Recipe,
  target: MergeTarget,
  device: Device,
  onTensor: (done: number) => void = () => {},
): Promise<number> => {
  const byName = new Map(plan.tensors.map((planned) => [planned.name, planned]));
  const files = filesFor(plan, target.shardSize);
  // Before much is computed: what cannot be read is known by then, and what becomes of it costs nothing.
  const donorFiles = sideFilesOf(plan.donor.folder);
  let done = 0;
  const valuesOf = async (name: string): Promise<Float32Array> => {
    const values = await mergeOne(byName.get(name) as PlannedMerge, plan, target.seed, device);
    onTensor(++done);
    await new Promise(setImmediate); // lets signals in
    return values;
  };
  const mend = "lessen weight or lambda, or choose another dtype";
  await inTurn(streamWeights(diskFolder(target.folder), files, { valuesOf, mend }));
  copyTokenizerFiles(target.tokenizer, target.folder);
  writeTextAtomically(join(target.folder, "mergekit_config.yml"), recipe.text);
  writeConfig(plan, recipe, target.folder, donorFiles);
  return files.length;
};
