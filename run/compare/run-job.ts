import { removeCheckpoints } from "../../align/training/checkpoint.js";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import type { Device } from "../../core/index.js";
import type { OnShare } from "../../lab/sweep/graph.js";
import { withDevice } from "../device.js";
import type { TrainingKind } from "../fit/kinds.js";
import type { Host } from "../host.js";
import { located } from "../located.js";
import type { TrainingValues, Values } from "../options/takes.js";
import { runs } from "../runs.js";
import { SILENT } from "../voice.js";
import { type Exam, openExam } from "./exam.js";
import type { Examination, GivenModel, Job, MeasureJob, MergeJob, TrainJob } from "./jobs.js";
import { runValues } from "./keys.js";
import { measureModel } from "./measure.js";
import { mergeModels } from "./merge.js";
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

const merge = async (job: MergeJob, { store, tell }: Bench): Promise<void> => {
  const host = warned(job.name, tell);
  const folder = store.folderOf(job);
  const folders = { ...job.folders, trained: store.folderOf(job.of) };
  await withDevice({ device: "cpu", adapter: undefined }, host, (device) =>
    mergeModels(job, folders, { folder, seed: job.seed }, device, host),
  );
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
      return merge(job, bench);
    default:
      return measure(job, bench, onShare);
  }
};
