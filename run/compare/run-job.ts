import { rmSync } from "node:fs";
import { join } from "node:path";
import { removeCheckpoints } from "../../align/training/checkpoint.js";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import type { Device } from "../../core/index.js";
import { counted } from "../../lab/compare/measured.js";
import type { OnShare } from "../../lab/sweep/graph.js";
import type { JsonObject } from "../../models/files/json.js";
import { searchRatios } from "../../optim/offline/index.js";
import { withDevice } from "../device.js";
import type { TrainingKind } from "../fit/kinds.js";
import type { Host } from "../host.js";
import { located } from "../located.js";
import type { TrainingValues, Values } from "../options/takes.js";
import { runs } from "../runs.js";
import { SILENT } from "../voice.js";
import { countingOf, type Exam, openExam } from "./exam.js";
import type { Examination, GivenModel, Job, MeasureJob, MergeJob, TrainJob } from "./jobs.js";
import { runValues } from "./keys.js";
import { measureModel, validateModel } from "./measure.js";
import { mergeModels } from "./merge.js";
import { mixed, triesOf } from "./search.js";
import type { CompareStore } from "./store.js";

/** Where jobs are done. */
export interface Bench {
  readonly store: CompareStore;
  /** Hears, in one line, of what a user should know. */
  readonly tell: (line: string) => void;
  /** Reads what models are asked, once. */
  readonly examOf: (examination: Examination) => Promise<{ readonly exam: Exam; readonly values: TrainingValues }>;
}

/** A voice that passes on warnings alone, with whose they are; those of rows and keys were told before. */
const warned = (name: string, tell: Bench["tell"]): Host => ({
  ...SILENT,
  note: (line) => {
    if (/^warning:/.test(line)) tell(`${name}: ${line}`);
  },
  observers: () => [],
});

/** A run's values as they are used here. */
const valuesOf = async <K extends TrainingKind>(kind: K, sources: TrainJob["sources"], out: Host): Promise<Values<K>> =>
  located(runValues(kind, sources).values, out);

export const openBench = (store: CompareStore, tell: Bench["tell"]): Bench => {
  const known = new Map<string, ReturnType<Bench["examOf"]>>();
  const read = async ({ spec, train, sources }: Examination) => {
    const out = warned("evaluate", tell);
    const values: TrainingValues = await valuesOf(train, sources, out);
    return { values, exam: await openExam(spec, values, out) };
  };
  return {
    ...{ store, tell },
    examOf: (examination) => {
      const key = JSON.stringify(examination);
      const found = known.get(key) ?? read(examination);
      known.set(key, found);
      return found;
    },
  };
};

const train = async (job: TrainJob, { store, tell }: Bench, onShare: OnShare): Promise<void> => {
  const host = warned(job.name, tell);
  const folder = store.folderOf(job);
  const observing: Host = {
    ...host,
    observers: () => {
      let all = 1;
      return [
        {
          start: ({ steps }) => {
            all = steps;
          },
          step: ({ step }) => onShare(step / all),
        },
      ];
    },
  };
  const begin = <K extends TrainingKind>(kind: K, values: Values<K> & Pick<TrainingValues, "save_total_limit">) => {
    const own = { output_dir: folder, resume: true, save_total_limit: values.save_total_limit ?? 1 };
    return runs[kind]({ ...values, ...own }, observing);
  };
  await begin(job.train, await valuesOf(job.train, job.sources, host));
  await store.put(job, { fingerprint: modelFingerprint(folder) }, undefined);
  removeCheckpoints(folder);
};

/** The device of what all runs share. */
const onDevice = <T>(
  { device, adapter }: TrainingValues,
  out: Host,
  work: (device: Device) => Promise<T>,
): Promise<T> => withDevice({ device, adapter }, out, work);

/** Makes a recipe's model in a folder. */
type Make = (recipe: JsonObject, folder: string) => Promise<void>;

/** The recipe of the ratios that validation rows prefer, by the sum of skill and style. */
const found = async (
  { name, recipe, search }: MergeJob & { readonly search: NonNullable<MergeJob["search"]> },
  folder: string,
  { store, tell, examOf }: Bench,
  make: Make,
  onShare: OnShare,
): Promise<JsonObject> => {
  const { exam: asked, against, layers, ...how } = search;
  const { exam, values } = await examOf(asked);
  const counting = countingOf(asked.spec, exam);
  const tried = join(folder, "tried");
  const before = against && store.measures(against).logps;
  let tries = 0;
  const ratios = await onDevice(values, warned(name, tell), (device) =>
    searchRatios({
      ...how,
      score: async (some) => {
        await make(mixed(some, layers, recipe), tried);
        const answers = join(tried, "answers");
        const measured = await validateModel(tried, exam, { device, answers, before, tell });
        rmSync(tried, { recursive: true });
        onShare(++tries / (triesOf(search) + 1));
        const { average, style } = counted(measured, counting);
        return average + style;
      },
    }),
  );
  return mixed(ratios, layers, recipe);
};

const merge = async (job: MergeJob, bench: Bench, onShare: OnShare): Promise<void> => {
  const { store, tell } = bench;
  const host = warned(job.name, tell);
  const folder = store.folderOf(job);
  const folders = { ...job.folders, trained: store.folderOf(job.of) };
  const make: Make = (recipe, to) =>
    withDevice({ device: "cpu", adapter: undefined }, host, (device) =>
      mergeModels({ recipe, where: job.where }, folders, { folder: to, seed: job.seed }, device, host),
    );
  const { search } = job;
  await make(search === undefined ? job.recipe : await found({ ...job, search }, folder, bench, make, onShare), folder);
  await store.put(job, { fingerprint: modelFingerprint(folder) }, undefined);
};

const folderIn = (store: CompareStore, model: GivenModel | TrainJob | MergeJob): string =>
  model.kind === "given" ? model.folder : store.folderOf(model);

const measure = async (job: MeasureJob, { store, tell, examOf }: Bench, onShare: OnShare): Promise<void> => {
  const { exam, values } = await examOf(job.exam);
  const outcome = await onDevice(values, warned(job.name, tell), (device) =>
    measureModel(folderIn(store, job.of), exam, {
      ...{ device, answers: store.folderOf(job), onShare },
      before: job.against && store.measures(job.against).logps,
      tell: (line) => tell(`${job.name}: ${line}`),
    }),
  );
  await store.put(job, outcome, undefined);
  if (job.drops && job.of.kind !== "given") store.drop(job.of);
};

/** Does a job, and keeps its result. Errors: those of training, merging and evaluation. */
export const runJob = (job: Job, bench: Bench, onShare: OnShare): Promise<void> => {
  switch (job.kind) {
    case "train":
      return train(job, bench, onShare);
    case "merge":
      return merge(job, bench, onShare);
    default:
      return measure(job, bench, onShare);
  }
};
