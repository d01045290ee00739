import { join } from "node:path";
import { meanScores, type Scores } from "./kinds/kind.js";
import type { Subject } from "./model.js";
import { prepare } from "./prepare.js";
import { averages } from "./table.js";
import type { Task } from "./tasks.js";
import { type Tools, toolsOf } from "./tools.js";

/** What a model earned on one task. */
export interface TaskResult {
  readonly name: string;
  readonly category: string;
  readonly type: string;
  /** Rows that were scored. */
  readonly rows: number;
  /** Rows left out because only a model could score them. */
  readonly skipped: number;
  /** Prompts that lost their beginning, since they were longer than the model allows. */
  readonly truncated: number;
  /** In [0, 1]: `score` first, the mean over the rows, then what else the type tells. */
  readonly scores: Scores;
}

export interface EvaluationResult {
  readonly tasks: readonly TaskResult[];
  /** Mean score of each category's tasks. */
  readonly categories: Readonly<Record<string, number>>;
  /** Mean of the categories, without MT-Bench and AlpacaEval 2, as in the paper. */
  readonly average: number;
}

export interface EvaluateTasksOptions {
  /** Prompts (candidates) a batch. Default 8. */
  readonly batchSize?: number;
  /** Where answers are kept, one JSON Lines file a task, so that a later call goes on. Default: nowhere. */
  readonly folder?: string;
  /** What the model's weights are, for telling whether kept answers are its own. */
  readonly fingerprint?: string;
  /** Told of each task as it is done. */
  readonly done?: (result: TaskResult) => void;
  /** What scoring needs beside the answers. Default: `toolsOf()`. */
  readonly tools?: Tools;
  /** Hears, in one line, of kept answers that cannot be used. */
  readonly tell?: (line: string) => void;
}

/** Scores of a model on tasks, and their averages by category, as in Table 1 of the paper. Errors: InputError. */
export const evaluateTasks = async (
  tasks: readonly Task[],
  model: Subject,
  { batchSize = 8, folder, fingerprint = "", done, tools = toolsOf(), tell = () => {} }: EvaluateTasksOptions = {},
): Promise<EvaluationResult> => {
  const prepared = tasks.map((task) => ({ task, run: prepare(task, model, tools) }));
  const results: TaskResult[] = [];
  for (const { task, run } of prepared) {
    const path = folder === undefined ? undefined : join(folder, `${task.name}.jsonl`);
    const { scores, total = meanScores, ...counts } = await run(model, { batchSize, path, fingerprint, tell });
    const { name, category, type } = task;
    const earned = total(scores);
    // Another score that counts leaves its place to the one that else does.
    const counting = task.score === undefined ? earned : { ...earned, score: earned[task.score] };
    const result = { name, category, type, rows: scores.length, ...counts, scores: counting };
    done?.(result);
    results.push(result);
  }
  return { tasks: results, ...averages(results) };
};
