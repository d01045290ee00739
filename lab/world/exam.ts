import { borrowed } from "../../align/training/reference.js";
import { type Device, InputError } from "../../core/index.js";
import { generator, type Params } from "../../models/index.js";
import { evaluationPrompts, type Prompt } from "./documents.js";
import { config } from "./model.js";
import { ANSWER_TOKENS, type Score, score } from "./score.js";
import type { Split } from "./skills.js";
import { END } from "./vocabulary.js";

/** What is asked: so many prompts of each of the nine kinds. */
export interface Exam {
  readonly seed: number;
  readonly split: Split;
  readonly perKind: number;
}

/** Asks requests greedily, `atOnce` in a batch; the tokens after each `<a>`. One pair of programs serves all models. */
export const asker = (
  device: Device,
): ((params: Params, prompts: readonly Prompt[], atOnce: number) => Promise<number[][]>) => {
  const ask = generator(config, device);
  return async (params, prompts, atOnce) => {
    const { tree: here, release } = borrowed(params, device);
    const answers: number[][] = [];
    try {
      for (let at = 0; at < prompts.length; at += atOnce) {
        const ids = prompts.slice(at, at + atOnce).map((prompt) => prompt.ids);
        const asked = ask(here, ids, { greedy: true, maxNewTokens: ANSWER_TOKENS, eosIds: [END] });
        const rows = await asked.catch((error: unknown) => {
          if (error instanceof InputError) return ids; // the logits are not numbers: a model that diverged says nothing
          throw error;
        });
        answers.push(...rows.map((row, i) => row.slice(ids[i].length)));
      }
    } finally {
      release();
    }
    return answers;
  };
};

/** Asks every kind of request and judges the answers. */
export const examiner = (device: Device): ((params: Params, exam: Exam) => Promise<Score>) => {
  const ask = asker(device);
  return async (params, { seed, split, perKind }) => {
    const prompts = evaluationPrompts(seed, split, perKind);
    // Kind by kind, because answers of a kind are about as long, and a batch ends with its longest.
    const answers = await ask(params, prompts, perKind);
    return score(
      prompts.map(({ task }) => task),
      answers,
    );
  };
};
