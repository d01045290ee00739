import type { Device } from "../../core/index.js";
import { evaluationPrompts, type Prompt, promptText } from "../../lab/world/documents.js";
import { asker } from "../../lab/world/exam.js";
import { type Score, score } from "../../lab/world/score.js";
import { KINDS, type Kind } from "../../lab/world/skills.js";
import { decode, END, encode } from "../../lab/world/vocabulary.js";
import type { Params } from "../../models/index.js";
import type { Sample } from "./messages.js";
import { SEED } from "./settings.js";

/** Kinds of which one request is shown with its answers. */
const SHOWN: readonly Kind[] = ["upr", "hey", "rev", "srt", "nxt", "fmt", "dbl"];

const textOf = (ids: readonly number[]): string => {
  const end = ids.indexOf(END);
  return end < 0 ? `${decode(ids)}…` : decode(ids.slice(0, end));
};

/** Puts requests to models: those of an exam, and a visitor's. */
export interface Examiner {
  readonly samples: readonly Sample[];
  /** How it does on requests of every kind that were not trained on, and what it answers to the samples. */
  readonly examine: (params: Params) => Promise<{ readonly score: Score; readonly answers: readonly string[] }>;
  /** Errors: InputError for a character that the vocabulary has not. */
  readonly ask: (params: Params, request: string) => Promise<string>;
}

export const openExaminer = (device: Device, perKind: number): Examiner => {
  const ask = asker(device);
  const prompts: readonly Prompt[] = evaluationPrompts(SEED, "test", perKind);
  const tasks = prompts.map(({ task }) => task);
  const shown = SHOWN.map((kind) => KINDS.indexOf(kind) * perKind);
  return {
    samples: shown.map((at) => ({ request: `${tasks[at].kind} ${tasks[at].argument}`, right: tasks[at].answer })),
    examine: async (params) => {
      const answers = await ask(params, prompts, perKind);
      return { score: score(tasks, answers), answers: shown.map((at) => textOf(answers[at])) };
    },
    ask: async (params, request) => {
      const [kind, ...rest] = request.split(" ");
      const task = { kind: kind as Kind, argument: rest.join(" "), answer: "" };
      const [ids] = await ask(params, [{ task, ids: encode(promptText(task)) }], 1);
      return textOf(ids);
    },
  };
};
