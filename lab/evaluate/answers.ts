import { InputError } from "../../core/errors.js";
import type { Subject } from "./model.js";
import { promptIds, type Question, type Shot } from "./prompts.js";
import { fingerprintOf, remembered, type Store } from "./store.js";
import type { Task } from "./tasks.js";

/** Row numbers in batches of like length: the longest first, so that what does not fit memory fails at once. */
export const batchesByLength = (lengths: readonly number[], size: number): number[][] => {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  return Array.from({ length: Math.ceil(order.length / size) }, (_, i) => order.slice(i * size, (i + 1) * size));
};

export interface Keeping extends Store {
  readonly batchSize: number;
}

/** The end of a prompt, as much as leaves `room` tokens. */
export const fitting = (ids: readonly number[], room: number): readonly number[] =>
  ids.length > room ? ids.slice(-room) : ids;

/** What is known of a model before it is there. */
export type Asked = Pick<Subject, "tokenizer" | "maxPositions">;

export interface Answers {
  readonly answers: readonly string[];
  /** Prompts that lost their beginning. */
  readonly truncated: number;
}

/** Where an answer ends: before the first of a task's texts, or of its kind's where the prompt is continued without a template. */
const endOf = ({ stop, chat }: Task, { tokenizer }: Asked, ownStop: readonly string[]): ((text: string) => number) => {
  const plain = !(chat ?? tokenizer.hasChatTemplate);
  const marks = stop.length === 0 && plain ? ownStop : stop;
  return (text) => Math.min(text.length, ...marks.map((mark) => text.indexOf(mark)).filter((at) => at >= 0));
};

/** Asks the questions; each answer ends before the first stop text. Errors: InputError. */
export const prepareAnswers = (
  task: Task,
  questions: readonly Question[],
  shots: readonly Shot[],
  about: Asked,
  ownStop: readonly string[] = [],
): ((model: Subject, keeping: Keeping) => Promise<Answers>) => {
  const { sampling, own } = task;
  const room = about.maxPositions - sampling.maxNewTokens;
  if (room < 1)
    throw new InputError(
      `${own.where}: sampling: max_new_tokens is ${sampling.maxNewTokens}, and the model has ${about.maxPositions} positions, which leaves none for the prompt; make it less`,
    );
  const whole = questions.map((question) => promptIds(task, shots, question, about.tokenizer));
  const prompts = whole.map((ids) => fitting(ids, room));
  const lengths = prompts.map((ids) => ids.length);
  const end = endOf(task, about, ownStop);
  return async (model, { batchSize, ...store }) => {
    const fingerprint = fingerprintOf(store.fingerprint, sampling, batchSize, prompts);
    const compute = (some: readonly number[]) => {
      const asked = some.map((i) => prompts[i]);
      return model.answers(asked, sampling, some);
    };
    const said = await remembered({ ...store, fingerprint }, batchesByLength(lengths, batchSize), compute);
    return {
      answers: said.map((text) => text.slice(0, end(text))),
      truncated: whole.filter((ids) => ids.length > room).length,
    };
  };
};
