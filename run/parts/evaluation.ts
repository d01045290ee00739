import { oneEpoch } from "../../align/data/source.js";
import type { Metrics } from "../../align/objectives/metrics.js";
import { evaluateOn } from "../../align/training/evaluate.js";
import type { Weights } from "../../align/training/reference.js";
import { ALONE, fromFirst, type Workers } from "../../align/training/workers/workers.js";
import type { Device } from "../../core/index.js";
import { evaluateTasks, parseTasks, subject } from "../../lab/evaluate/index.js";
import type { Task as BenchmarkTask } from "../../lab/evaluate/tasks.js";
import type { Params } from "../../models/index.js";
import type { TrainingValues } from "../options/takes.js";
import { readYamlObject } from "../yaml.js";
import { cadence, type Span } from "./cadence.js";
import { type Task, withPlain } from "./task.js";

/** Evaluation during training. */
export interface Evaluator {
  /** After so many steps? 0: before the first. */
  readonly due: (step: number) => boolean;
  /**
   * `eval_loss`, `eval_rewards/margins`, … of weights over all rows, in file order, and `eval_tasks/NAME` of benchmarks; the
   * weights stay as they are. `moved`: the reference's weights, where they move.
   */
  readonly run: (params: Params, moved?: Params) => Promise<Readonly<Record<string, number>>>;
}

/** The benchmarks that the keys name. Errors: InputError. */
export const benchmarksOf = async ({
  eval_tasks: path,
  model_name_or_path: model,
}: TrainingValues): Promise<readonly BenchmarkTask[] | undefined> =>
  path === undefined ? undefined : parseTasks(await readYamlObject(path), path, model);

/** Every so many of them, from this rank's number on. */
function* shareOf<T>(all: Iterable<T>, { rank, size }: Workers): Generator<T> {
  let i = 0;
  for (const one of all) if (i++ % size === rank) yield one;
}

/** Evaluates on the rows and the benchmarks of a task, as the keys ask; undefined if it has neither. */
export const evaluator = (
  values: TrainingValues,
  task: Task,
  { reference, workers = ALONE, ...span }: Span & { readonly reference?: Weights; readonly workers?: Workers },
  device: Device,
): Evaluator | undefined => {
  const { objective, evalSource, evalTasks } = task;
  if (evalSource === undefined && evalTasks === undefined) return undefined;
  const onRows = async (params: Params, moved: Params | undefined): Promise<Metrics> => {
    if (evalSource === undefined) return {};
    const now = moved && reference ? { ...reference, params: moved } : reference;
    const batches = shareOf(oneEpoch(evalSource), workers);
    const { loss, metrics } = await evaluateOn({ objective, params, batches, reference: now, workers }, device);
    return { loss, ...metrics };
  };
  const onTasks = async (params: Params): Promise<Metrics> => {
    if (evalTasks === undefined) return {};
    const { tasks, average } = await withPlain(task, params, (model) => {
      const asked = subject(model, evalTasks.tokenizer, device);
      return evaluateTasks(evalTasks.tasks, asked, { batchSize: values.per_device_eval_batch_size }).finally(
        asked.free,
      );
    });
    return Object.fromEntries([
      ...tasks.map(({ name, scores }) => [`tasks/${name}`, scores.score]),
      ["tasks/average", average],
    ]);
  };
  return {
    due: cadence(values, span).evaluates,
    run: async (params, moved) => {
      // Benchmarks are the first rank's.
      const scores = workers.rank === 0 ? await onTasks(params) : undefined;
      const found = { ...(await onRows(params, moved)), ...(await fromFirst(workers, "its scores", scores)) };
      return Object.fromEntries(Object.entries(found).map(([name, value]) => [`eval_${name}`, value]));
    },
  };
};
