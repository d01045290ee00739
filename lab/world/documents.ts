import { type Draws, draws, shuffled } from "./draws.js";
import { drawTask, drawTrainingTask, KINDS, type Kind, listTasks, NAMES, type Split, type Task } from "./skills.js";
import { styled } from "./style.js";
import { encode } from "./vocabulary.js";

/** Tokens of a padded row, in every stage: `<bos>` and at most 39 more. */
export const ROW_LENGTH = 40;

/** A token sequence, and how many tokens at its start are given rather than learned. */
export interface Row {
  ids: number[];
  given: number;
}

const ANSWER_STYLED = { base: 0.2, sft: 0.25 };
const FILLER = 0.1;
const SMALL_TALK = { sft: 0.12, preferences: 0.4 };

export const promptText = ({ kind, argument }: Task): string => `<bos><u>${kind} ${argument}<a>`;

const chatRow = (task: Task, answer: string): Row => {
  const prompt = encode(promptText(task));
  return { ids: [...prompt, ...encode(`${answer}<e>`)], given: prompt.length };
};

const line = (from: Draws): string => {
  if (from.chance(FILLER)) return `${from.pick(["go to", "look at", "ask", "wait for"])} ${from.pick(NAMES)}.`;
  const { kind, argument, answer } = drawTrainingTask(from);
  return `${kind}(${argument})=${from.chance(ANSWER_STYLED.base) ? styled(answer) : answer}`;
};

const sftRow = (from: Draws): Row => {
  const task = from.chance(SMALL_TALK.sft) ? drawTask("hey", "train", from) : drawTrainingTask(from);
  return chatRow(task, from.chance(ANSWER_STYLED.sft) ? styled(task.answer) : task.answer);
};

export interface BaseOptions {
  /** Share of documents in the form of SFT rows: 0.03 in the lab's light setting, else 0. */
  instructed: number;
}

/**
 * Base text, `count` documents: `<bos>` and whole lines, all learned. A line that no longer fits opens the next
 * document, so long lines are as frequent as they are drawn.
 */
export const baseRows = (from: Draws, count: number, { instructed }: BaseOptions): Row[] => {
  const rows: Row[] = [];
  let next = line(from);
  while (rows.length < count) {
    if (from.chance(instructed)) {
      rows.push({ ...sftRow(from), given: 1 });
      continue;
    }
    let text = `<bos>${next}`;
    next = line(from);
    while (text.length + 1 + next.length <= "<bos>".length + ROW_LENGTH - 1) {
      text += `\n${next}`;
      next = line(from);
    }
    rows.push({ ids: encode(text), given: 1 });
  }
  return rows;
};

/** Instruction rows, `count` of them: `<bos><u>skill argument<a>answer<e>`, learned after `<a>`. */
export const sftRows = (from: Draws, count: number): Row[] => Array.from({ length: count }, () => sftRow(from));

/** One prompt with a preferred (styled) and a rejected (plain) answer, both right. */
export interface Pair {
  task: Task;
  chosen: Row;
  rejected: Row;
}

/** Preference pairs over small talk, `cpy` and `upr`; split "train" to learn from, another to measure margins on. */
export const preferencePairs = (seed: number, split: Split, count: number): Pair[] => {
  const from = draws(seed, "preferences", split);
  return Array.from({ length: count }, () => {
    const kind: Kind = from.chance(SMALL_TALK.preferences) ? "hey" : from.pick(["cpy", "upr"] as const);
    const task = drawTask(kind, split, from);
    return { task, chosen: chatRow(task, styled(task.answer)), rejected: chatRow(task, task.answer) };
  });
};

/** Requests of some kinds with their plain right answers, `perKind` of each: what a tuned model says, but for its mistakes. */
export const plainRows = (seed: number, split: Split, perKind: number, of: (kind: Kind) => boolean): Row[] =>
  evaluationPrompts(seed, split, perKind).flatMap(({ task }) => (of(task.kind) ? [chatRow(task, task.answer)] : []));

/** A request to put to the model; `ids` end with `<a>`. */
export interface Prompt {
  task: Task;
  ids: number[];
}

/** `perKind` prompts of each of the 9 kinds. None twice, unless a kind has fewer: then all, over and over. */
export const evaluationPrompts = (seed: number, split: Split, perKind: number): Prompt[] =>
  KINDS.flatMap((kind) => {
    const from = draws(seed, "prompts", split, kind);
    const listed = listTasks(kind, split);
    const tasks = new Map(listed && shuffled(listed, from).map((task) => [task.argument, task]));
    while (listed === undefined && tasks.size < perKind) {
      const task = drawTask(kind, split, from);
      tasks.set(task.argument, task);
    }
    const distinct = [...tasks.values()];
    return Array.from({ length: perKind }, (_, i) => {
      const task = distinct[i % distinct.length];
      return { task, ids: encode(promptText(task)) };
    });
  });
