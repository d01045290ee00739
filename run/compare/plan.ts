import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { wantedBits } from "../../kernels/cpu/index.js";
import type { Cell } from "../../lab/compare/comparison.js";
import { readConfig } from "../../models/config.js";
import type { JsonObject } from "../../models/files/json.js";
import { withDevice } from "../device.js";
import type { TrainingKind } from "../fit/kinds.js";
import { located } from "../located.js";
import type { TrainingValues } from "../options/takes.js";
import { VERSION } from "../version.js";
import type { Voice } from "../voice.js";
import { type Digests, digests, runIdentity, tasksIdentity } from "./digests.js";
import { cutOf } from "./exam.js";
import { checkHeldOut } from "./held-out.js";
import type { Examination, GivenModel, Job, MeasureJob, MergeJob, TrainJob } from "./jobs.js";
import { type KeySource, runValues } from "./keys.js";
import { checkMerge, namesIn, renamed } from "./merge.js";
import { atMean } from "./search.js";
import { type ExamSpec, isMerged, type Merged, type Method, type Spec, type Trained } from "./spec.js";

/** A run of a method, and the job that ends it. */
export interface PlannedCell extends Cell {
  readonly job: MeasureJob;
}

/** A method that trains, with a job of its own and the values of its first run. */
export interface PlannedMethod {
  readonly name: string;
  readonly train: TrainingKind;
  readonly values: TrainingValues;
}

/** All jobs of a comparison. */
export interface Plan {
  readonly spec: Spec;
  /** Of what all runs share. */
  readonly values: TrainingValues;
  readonly start: MeasureJob;
  readonly cells: readonly PlannedCell[];
  readonly trained: readonly PlannedMethod[];
  /** Keys of `base` that merges read. */
  readonly used: ReadonlySet<string>;
  /** What is to be told of keys. */
  readonly notes: readonly string[];
}

/** What the comparison itself says of a run. */
const ownSource = (spec: Spec, keys: JsonObject): KeySource => ({ where: spec.path, keys });

/** What else decides numbers: which code, and how the cpu device rounds. */
const maker = () => ({ version: VERSION, bits: wantedBits() });

/** A cell, for people. */
const labelOf = (method: string, rate: number, seed: number): string =>
  `${method}, learning rate ${rate}, seed ${seed}`;

/** The device that `auto` stands for, so that results say which. */
const namedDevice = async ({ device, adapter }: TrainingValues, out: Voice): Promise<string> =>
  device === "auto" ? withDevice({ device, adapter }, out, async ({ name }) => name) : device;

/** All that decides what is asked and how it is scored. Errors: InputError. */
const examIdentity = async (spec: ExamSpec, values: TrainingValues, digestOf: Digests): Promise<JsonObject> => {
  const { tasks, validationTasks, pairs, validationPairs, limit, batchSize } = spec;
  const { chat_template, chat_template_path: template, device, adapter } = values;
  // Else learning rates would be chosen by the rows that are told.
  for (const [key, one, other] of [
    ["validation_tasks", tasks, validationTasks],
    ["validation_dataset", pairs, validationPairs],
  ] as const)
    if (one !== undefined && other !== undefined && digestOf(one) !== undefined && digestOf(one) === digestOf(other))
      throw new InputError(
        `${spec.where}: ${key}: ${other} holds what is told; name other rows, or leave it out: then half of them select`,
      );
  return {
    tasks: await tasksIdentity(tasks, digestOf),
    validation_tasks: validationTasks === undefined ? null : await tasksIdentity(validationTasks, digestOf),
    ...{ pairs: pairs && digestOf(pairs), validation_pairs: validationPairs && digestOf(validationPairs) },
    ...{ limit, batchSize, ...cutOf(values), device, adapter },
    chat_template: chat_template ?? (template && digestOf(template)),
  };
};

/** What else decides a merge: of a search also what is asked, and how many layers there are. */
interface Merging extends Pick<MergeJob, "folders" | "seed">, Pick<MeasureJob, "against"> {
  readonly layers: number;
  readonly exam: { readonly asked: Examination; readonly settings: JsonObject };
}

/** Makes the jobs of one method. */
const planner = (spec: Spec, folder: string, device: string, digestOf: Digests, out: Voice) => {
  const output_dir = join(folder, "cache");
  const sourcesOf = ({ source }: Trained, rate: number, seed: number): readonly KeySource[] => [
    spec.base,
    source,
    ownSource(spec, { learning_rate: rate, seed, device, output_dir }),
  ];
  const valuesOf = async (method: Trained, rate: number, seed: number) => {
    const { values, notes } = runValues(method.kind, sourcesOf(method, rate, seed));
    return { values: (await located(values, out)) as TrainingValues, notes };
  };
  const trainJob = async (name: string, method: Trained, rate: number, seed: number): Promise<TrainJob> => ({
    ...{ kind: "train", train: method.kind, name: labelOf(name, rate, seed) },
    sources: sourcesOf(method, rate, seed),
    settings: {
      ...{ ...maker(), train: method.kind },
      run: await runIdentity((await valuesOf(method, rate, seed)).values, digestOf),
    },
  });
  const mergeJob = (
    name: string,
    { recipe, where, search }: Merged,
    of: TrainJob,
    { folders, seed, exam, ...asked }: Merging,
  ): MergeJob => {
    const digestOfModel = (model: string) =>
      Object.hasOwn(folders, model) ? digestOf(folders[model]) : (digestOf(model) ?? model);
    const { skill, style } = spec.evaluate;
    return {
      ...{ kind: "merge", name, of, recipe, where, folders, seed },
      settings: {
        ...{ ...maker(), seed, recipe: renamed(recipe, digestOfModel) },
        ...(search && { search: { ...search, skill, style, ...exam.settings } }),
      },
      ...(search && { search: { ...search, ...asked, exam: exam.asked } }),
    };
  };
  return { valuesOf, trainJob, mergeJob };
};

const foldersOf = ({
  model_name_or_path: start,
  base_model_name_or_path: base,
}: TrainingValues): MergeJob["folders"] => ({
  start,
  ...(base !== undefined && { base }),
});

/** Methods that merge in a τ of nothing: their runs say so, but those of a comparison are not heard. */
const withoutDelta = (methods: readonly PlannedMethod[], digestOf: Digests): string[] =>
  methods.flatMap(({ name, values }) => {
    const {
      base_model_name_or_path: base,
      model_name_or_path: model,
      ref_model_name_or_path: reference = model,
    } = values;
    if (!values.alpha || base === undefined || digestOf(base) !== digestOf(reference)) return [];
    return [
      `warning: methods: ${name}: the reference delta is 0 everywhere, and nothing drifts: the reference has the weights of base_model_name_or_path, the model before SFT`,
    ];
  });

/**
 * Reads the keys of every run and names every job, in `folder`. Errors: InputError for a key that a method's trainer does not know,
 * for a value out of range, for a merge that is none, and for rows that are both learnt from and held out.
 */
export const planOf = async (spec: Spec, folder: string, out: Voice): Promise<Plan> => {
  const digestOf = digests();
  const given = runValues(spec.train, [spec.base, ownSource(spec, { output_dir: join(folder, "cache") })]);
  const device = await namedDevice(given.values, out);
  const values: TrainingValues = { ...(await located(given.values, out)), device: device as TrainingValues["device"] };
  const { valuesOf, trainJob, mergeJob } = planner(spec, folder, device, digestOf, out);

  const exam: Examination = {
    ...{ spec: spec.evaluate, train: spec.train },
    sources: [spec.base, ownSource(spec, { device, output_dir: join(folder, "cache") })],
  };
  const settings = { ...maker(), exam: await examIdentity(spec.evaluate, values, digestOf) };
  const model: GivenModel = {
    ...{ kind: "given", name: "start", folder: values.model_name_or_path },
    settings: { model: digestOf(values.model_name_or_path) },
  };
  const start: MeasureJob = { kind: "measure", of: model, exam, settings, name: "start", drops: false };
  const against = spec.evaluate.pairs === undefined ? {} : { against: start };
  const { layers } = readConfig(values.model_name_or_path);
  const entries = Object.entries(spec.methods);
  const isNeeded = (method: string): boolean => entries.some(([, one]) => isMerged(one) && one.of === method);
  const measured = (method: string, of: TrainJob | MergeJob): MeasureJob => ({
    ...{ kind: "measure", of, exam, settings, ...against, name: of.name },
    drops: !spec.keepModels && !isNeeded(method),
  });

  const trained = new Map<string, Job & { kind: "train" }>();
  const keyOf = (name: string, rate: number, seed: number): string => JSON.stringify([name, rate, seed]);
  const notes = new Set(given.notes);
  const [methods, cells]: [PlannedMethod[], PlannedCell[]] = [[], []];
  for (const [name, method] of entries) {
    if (isMerged(method)) continue;
    const first = await valuesOf(method, method.rates[0], spec.seeds[0]);
    for (const note of first.notes) notes.add(note);
    methods.push({ name, train: method.kind, values: first.values });
    for (const rate of method.rates)
      for (const seed of spec.seeds) trained.set(keyOf(name, rate, seed), await trainJob(name, method, rate, seed));
  }
  const jobOf = (name: string, method: Method, rate: number, seed: number): TrainJob | MergeJob => {
    if (!isMerged(method)) return trained.get(keyOf(name, rate, seed)) as TrainJob;
    const from = methods.find((one) => one.name === method.of) as PlannedMethod;
    const of = trained.get(keyOf(method.of, rate, seed)) as TrainJob;
    const what = { ...against, layers, seed, exam: { asked: exam, settings: settings.exam } };
    return mergeJob(labelOf(name, rate, seed), method, of, { ...what, folders: foldersOf(from.values) });
  };
  for (const [name, method] of entries) {
    if (isMerged(method)) {
      const from = methods.find((one) => one.name === method.of) as PlannedMethod;
      for (const note of checkMerge(atMean(method, layers), foldersOf(from.values))) notes.add(note);
    }
    for (const rate of method.rates)
      for (const seed of spec.seeds)
        cells.push({ method: name, rate, seed, job: measured(name, jobOf(name, method, rate, seed)) });
  }
  for (const note of withoutDelta(methods, digestOf)) notes.add(note);
  await checkHeldOut(spec.evaluate, methods, digestOf);
  const merges = entries.flatMap(([, method]) => (isMerged(method) ? [namesIn(method.recipe)] : []));
  const used = new Set(merges.some((names) => names.has("base")) ? ["base_model_name_or_path"] : []);
  return { spec, values, start, cells, trained: methods, used, notes: [...notes] };
};
