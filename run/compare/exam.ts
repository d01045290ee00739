import { pairDataset } from "../../align/data/dataset.js";
import type { TokenPair } from "../../align/data/sequence.js";
import type { StoredRows } from "../../align/data/token-file.js";
import { InputError } from "../../core/errors.js";
import { instead } from "../../core/suggest.js";
import type { Counts } from "../../lab/compare/document.js";
import { type Counting, PAIR_STYLES } from "../../lab/compare/measured.js";
import { countRows, parseTasks, type Tools, toolsOf } from "../../lab/evaluate/index.js";
import { HALVES, type Half, halfOf } from "../../lab/evaluate/rows/half.js";
import type { Task } from "../../lab/evaluate/tasks.js";
import { readConfig } from "../../models/config.js";
import type { Tokenizer } from "../../models/index.js";
import type { TrainingValues, Values } from "../options/takes.js";
import { trainingTokenizer } from "../parts/chat-template.js";
import { readDataset } from "../parts/data.js";
import type { Voice } from "../voice.js";
import { readYamlObject } from "../yaml.js";
import type { ExamSpec } from "./spec.js";

/** Pairs that are held out, by where they come from. */
export interface Held extends Pick<StoredRows<unknown>, "digests"> {
  readonly path: string;
}

/** What models are asked: rows of tasks and pairs, in two splits. */
export interface Exam {
  readonly tokenizer: Tokenizer;
  readonly maxPositions: number;
  readonly tools: Tools;
  readonly batchSize: number;
  readonly tasks: Readonly<Record<Half, readonly Task[]>>;
  readonly pairs: Readonly<Record<Half, readonly TokenPair[]>> | undefined;
  /** Digests of the rows of each file of pairs. */
  readonly held: readonly Held[];
}

const both = <T>(of: (half: Half) => T): Readonly<Record<Half, T>> =>
  Object.fromEntries(HALVES.map((half) => [half, of(half)])) as Record<Half, T>;

const isSame = (a: readonly Task[], b: readonly Task[]): boolean =>
  a.map(({ name }) => name).join() === b.map(({ name }) => name).join();

/** Tasks of the two splits: of two files, or the halves of one. */
const tasksOf = async (
  { where, tasks: path, validationTasks: other, limit }: ExamSpec,
  model: string,
): Promise<Exam["tasks"]> => {
  const read = async (file: string): Promise<readonly Task[]> =>
    parseTasks(await readYamlObject(file), file, model).map((task) => ({ ...task, limit: limit ?? task.limit }));
  const test = await read(path);
  if (other !== undefined) {
    const validation = await read(other);
    if (!isSame(validation, test))
      throw new InputError(
        `${where}: validation_tasks: ${other} has tasks ${validation.map(({ name }) => name).join(", ")}, and ${path} ${test.map(({ name }) => name).join(", ")}; both need the same, in the same order`,
      );
    return { validation, test };
  }
  const whole = test.find(({ type }) => type === "alpaca_eval");
  if (whole !== undefined)
    throw new InputError(
      `${where}: task ${whole.name} is of type alpaca_eval, which regresses on all of its rows and cannot be halved; name other rows as validation_tasks`,
    );
  return both((part) => test.map((task) => ({ ...task, part })));
};

/** How long rows may be: keys of all kinds of training, and of dpo alone. */
type Lengths = Pick<TrainingValues, "max_length" | "truncation_mode"> &
  Partial<Pick<Values<"dpo">, "max_prompt_length" | "max_completion_length">>;

/** How pairs are cut: as in training. */
export const cutOf = ({ max_length, truncation_mode, max_prompt_length, max_completion_length }: Lengths) => ({
  ...{ maxLength: max_length, truncationMode: truncation_mode },
  ...{ maxPromptLength: max_prompt_length, maxCompletionLength: max_completion_length },
});

/** Pairs of the two splits, as tokens: of two files, or the halves of one. */
const pairsOf = async (
  spec: ExamSpec,
  values: TrainingValues,
  tokenizer: Tokenizer,
  out: Voice,
): Promise<Pick<Exam, "pairs" | "held">> => {
  const { where, pairs: path, validationPairs: other, limit } = spec;
  const held: Held[] = [];
  if (path === undefined) return { pairs: undefined, held };
  const { vocabSize } = readConfig(values.model_name_or_path);
  const cut = {
    ...{ ...cutOf(values), vocabSize, limit },
    ...{ inflation: values.max_inflation, longestRow: values.max_row_bytes, otherwise: "test", orOnly: true },
  };
  const read = async (file: string): Promise<readonly TokenPair[]> => {
    const data = await readDataset(pairDataset, file, tokenizer, cut, out);
    held.push({ path: file, digests: data.digests });
    try {
      return Array.from({ length: data.length }, (_, i) => data.at(i) as TokenPair);
    } finally {
      data.close();
    }
  };
  const test = await read(path);
  if (other !== undefined) return { pairs: { validation: await read(other), test }, held };
  const content = ({ chosen, rejected }: TokenPair) => [chosen.ids, rejected.ids];
  const halves = both((half) => test.filter((pair) => halfOf(content(pair)) === half));
  const empty = HALVES.find((half) => halves[half].length === 0);
  if (empty !== undefined)
    throw new InputError(
      `${where}: eval_dataset: of the ${test.length} pairs of ${path} none falls to ${empty}, which has about half; give more pairs, or others as validation_dataset`,
    );
  return { pairs: halves, held };
};

/** Reads what models are asked. `values` are those of a run. Errors: InputError, for what is wrong with it. */
export const openExam = async (spec: ExamSpec, values: TrainingValues, out: Voice): Promise<Exam> => {
  const { model_name_or_path: model } = values;
  const { tokenizer } = trainingTokenizer(values, out);
  return {
    ...{ tokenizer, maxPositions: readConfig(model).maxPositions, batchSize: spec.batchSize },
    tools: toolsOf({ unsandboxed: spec.unsandboxed }),
    tasks: await tasksOf(spec, model),
    ...(await pairsOf(spec, values, tokenizer, out)),
  };
};

/** What counts as skill and as style. Errors: InputError for what is no task's name, and where nothing is left for skill. */
export const countingOf = ({ where, skill, style }: ExamSpec, { tasks }: Exam): Counting => {
  const names = tasks.test.map(({ name }) => name);
  const styles = [...names, ...PAIR_STYLES];
  if (!styles.includes(style))
    throw new InputError(`${where}: style: "${style}" is no task, nor a measure of pairs; ${instead(style, styles)}`);
  const strange = skill?.find((name) => !names.includes(name));
  if (strange !== undefined)
    throw new InputError(`${where}: skill: there is no task "${strange}"; ${instead(strange, names)}`);
  const chosen = skill ?? names.filter((name) => name !== style);
  if (chosen.length === 0)
    throw new InputError(`${where}: its one task is style, and none is left for skill; name more tasks`);
  return { skill: chosen, style };
};

/** How many rows and pairs each split has. */
export const askedIn = ({ tasks, pairs }: Exam): { tasks: Record<string, Counts>; pairs?: Counts } => ({
  tasks: Object.fromEntries(
    tasks.test.map((task, i) => [task.name, { validation: countRows(tasks.validation[i]), test: countRows(task) }]),
  ),
  ...(pairs !== undefined && { pairs: both((half) => pairs[half].length) }),
});
