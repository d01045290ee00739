import { dirname, resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import { instead } from "../../core/suggest.js";
import { isObject, type JsonObject, show } from "../../models/files/json.js";
import { generationDefaults } from "../../models/generation/defaults.js";
import { checkSampling, type SamplingOptions } from "../../models/generation/sample.js";
import { checkStops } from "../../models/generation/stop-strings.js";
import type { AnswerKind } from "./kinds/kind.js";
import { type AnswerKindName, answerKinds } from "./kinds/kinds.js";
import { type Fields, fields } from "./rows/fields.js";
import type { Half } from "./rows/half.js";

/** How answers are generated. */
export interface Sampling extends SamplingOptions {
  readonly maxNewTokens: number;
}

/** The paper's Appendix C, for all of its generated benchmarks. */
const APPENDIX_C = { temperature: 0.7, top_p: 0.8, top_k: 20, repetition_penalty: 1.05 } as const;

/** `type` of a task. */
export type TaskType = "multiple_choice" | "win_rate" | "mt_bench" | "alpaca_eval" | AnswerKindName;

/** One benchmark of a tasks file. */
export interface Task {
  readonly name: string;
  /** Tasks of one category are averaged; the whole is the mean of the categories, as in Table 1 of the paper. */
  readonly category: string;
  readonly type: TaskType;
  /** Its rows. */
  readonly data: string;
  /** Only so many rows. */
  readonly limit: number | undefined;
  /** Only so many rows, drawn by the sampling's seed. */
  readonly draw: number | undefined;
  /** Only the rows of one half of them. Default: all. */
  readonly part?: Half;
  /** Of files that hold conversations: every turn, or the last alone. */
  readonly turns: "all" | "last";
  /** Which of its scores counts; undefined: `score`. */
  readonly score: string | undefined;
  /** Rows shown with their answers before each question, and where they stand. */
  readonly shots: number;
  readonly examples: string | undefined;
  /** The prompt with {fields} of the row; undefined: as the type has it. */
  readonly prompt: string | undefined;
  /** Text before everything else: the system turn, or the head of a plain prompt. */
  readonly system: string | undefined;
  /** Render by the chat template? Undefined: where there is one, but for multiple choice. */
  readonly chat: boolean | undefined;
  /** An answer ends before the first of these. */
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** What only its type knows. */
  readonly own: Fields;
  /** Where a path of the task's lies. */
  readonly path: (name: string) => string;
}

const SAMPLING_KEYS = [
  "greedy",
  "temperature",
  "top_p",
  "top_k",
  "repetition_penalty",
  "generation_config",
  "seed",
  "max_new_tokens",
] as const;
const TASK_KEYS = [
  ...["name", "category", "type", "data", "limit", "draw", "turns", "score", "shots", "examples", "prompt", "system"],
  ...["chat", "stop", "sampling"],
];
const MEASURES: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(answerKinds).map(([name, { measures = [] }]: [string, AnswerKind]) => [name, measures]),
);
const OWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  multiple_choice: ["choices", "normalize"],
  win_rate: ["judge", "timeout", "prompts"],
  mt_bench: ["judge", "timeout", "prompts", "references"],
  alpaca_eval: ["judge", "timeout", "prompts", "gamed"],
  ...Object.fromEntries(Object.entries(answerKinds).map(([name, { keys }]) => [name, keys])),
};

const objectAt = (value: unknown, where: string): JsonObject => {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new InputError(`${where} is ${show(value)}; it must hold "key: value" lines`);
  return value;
};

const keyed = <T>(f: Fields, key: string, read: () => T): T | undefined =>
  f.raw(key) === undefined ? undefined : read();

/** The options that are given, and no other. */
const givenSampling = (f: Fields): SamplingOptions => {
  const options = {
    greedy: keyed(f, "greedy", () => f.flag("greedy", false)),
    temperature: keyed(f, "temperature", () => f.number("temperature", 1)),
    topP: keyed(f, "top_p", () => f.number("top_p", 1)),
    topK: keyed(f, "top_k", () => f.count("top_k", 0)),
    repetitionPenalty: keyed(f, "repetition_penalty", () => f.number("repetition_penalty", 1)),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
};

/** With `generation_config: true` what the model's folder says counts where nothing is given; else Appendix C does. */
const samplingOf = (given: readonly unknown[], where: string, model: string | undefined): Sampling => {
  const layers = Object.assign({}, ...given.map((layer) => objectAt(layer, where)));
  const f = fields(layers, where);
  f.only(SAMPLING_KEYS);
  const own = f.flag("generation_config", false);
  if (own && model === undefined)
    throw new InputError(`${where}: "generation_config" is true, and there is no model's folder that would hold it`);
  const seed = f.count("seed", 0, 0);
  try {
    const defaults = own && model !== undefined ? generationDefaults(model, givenSampling(f)) : undefined;
    const sampling = defaults?.sampling ?? {
      ...{ greedy: false, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 },
      ...givenSampling(fields({ ...APPENDIX_C, ...layers }, where)),
    };
    checkSampling(sampling);
    return { ...sampling, seed, maxNewTokens: f.count("max_new_tokens", 1, defaults?.maxNewTokens ?? 512) };
  } catch (error) {
    throw error instanceof InputError && !error.message.startsWith(where)
      ? new InputError(`${where}: ${error.message}`)
      : error;
  }
};

/** Errors: InputError, also for an empty text, before which every answer ends. */
const stopsOf = (f: Fields): readonly string[] => {
  const stops = f.optionalTexts("stop") ?? [];
  try {
    checkStops(stops);
    return stops;
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${f.where}: "stop": ${error.message}`) : error;
  }
};

const turnsOf = (f: Fields): "all" | "last" => {
  const turns = f.text("turns", "all");
  if (turns !== "all" && turns !== "last")
    throw new InputError(`${f.where}: "turns" is "${turns}"; it must be all or last`);
  return turns;
};

const scoreOf = (f: Fields, type: string): string | undefined => {
  const [score, known] = [f.optionalText("score"), MEASURES[type] ?? []];
  if (score === undefined || score === "score" || known.includes(score)) return score;
  const others = known.length === 0 ? `tasks of type ${type} have one score` : instead(score, known);
  throw new InputError(`${f.where}: unknown score "${score}"; ${others}`);
};

const taskOf = (given: unknown, where: string, folder: string, shared: unknown, model: string | undefined): Task => {
  if (!isObject(given)) throw new InputError(`${where} is ${show(given)}; a task has name, type and data`);
  const f = fields(given, where);
  const type = f.text("type");
  if (!Object.hasOwn(OWN_KEYS, type))
    throw new InputError(`${where}: unknown type "${type}"; ${instead(type, Object.keys(OWN_KEYS))}`);
  f.only([...TASK_KEYS, ...OWN_KEYS[type]]);
  const name = f.text("name");
  if (!/^[\w.-]+$/.test(name))
    throw new InputError(`${where}: "name" is "${name}"; it names a file, so letters, digits, "_", "-" and "." only`);
  const shots = f.count("shots", 0, 0);
  const examples = f.optionalText("examples");
  if (shots > 0 && examples === undefined)
    throw new InputError(`${where}: "shots" is ${shots}, but "examples", the file they come from, is missing`);
  return {
    name,
    category: f.text("category", name),
    type: type as TaskType,
    data: resolve(folder, f.text("data")),
    limit: f.raw("limit") === undefined ? undefined : f.count("limit", 1),
    draw: f.raw("draw") === undefined ? undefined : f.count("draw", 1),
    turns: turnsOf(f),
    score: scoreOf(f, type),
    shots,
    examples: examples === undefined ? undefined : resolve(folder, examples),
    prompt: f.optionalText("prompt"),
    system: f.optionalText("system"),
    chat: f.raw("chat") === undefined ? undefined : f.flag("chat", false),
    stop: stopsOf(f),
    sampling: samplingOf([shared, given.sampling], `${where}: sampling`, model),
    own: f,
    path: (name) => resolve(folder, name),
  };
};

/**
 * The tasks of a file's content: { sampling?: {…}, tasks: [{ name, type, data, … }, …] }; paths are relative to the file.
 * `model` is the folder whose generation_config.json counts where a task's sampling asks for it.
 * Errors: InputError naming file, task and key.
 */
export const parseTasks = (content: JsonObject, path: string, model?: string): readonly Task[] => {
  const f = fields(content, path);
  f.only(["sampling", "tasks"]);
  const given = f.raw("tasks");
  if (!Array.isArray(given) || given.length === 0)
    throw new InputError(`${path}: "tasks" is ${show(given)}; it must be a list of tasks`);
  const tasks = given.map((task: unknown, i) =>
    taskOf(task, `${path}: task ${i + 1}`, dirname(path), content.sampling, model),
  );
  const twice = tasks.find((task, i) => tasks.findIndex(({ name }) => name === task.name) < i);
  if (twice !== undefined) throw new InputError(`${path}: two tasks are named "${twice.name}"`);
  return tasks;
};
