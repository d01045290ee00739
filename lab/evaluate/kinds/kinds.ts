import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import { code } from "../code/kind.js";
import { aidsOf } from "./aids.js";
import { functionCalls } from "./calls.js";
import { instruction, looseVariants } from "./instructions.js";
import { type AnswerKind, meanScores, sumOf, won } from "./kind.js";
import { gsm8k, lastNumberKind, math23k, math401 } from "./mathematics.js";
import { coqa, drop } from "./reading.js";
import { foreignShare, scriptsIn } from "./scripts.js";

/** Blanks become one space, those at the ends go; case and punctuation on request. */
const normalized = (text: string, { ignoreCase = false, ignorePunctuation = false }): string => {
  const plain = ignorePunctuation ? text.replace(/\p{P}/gu, "") : text;
  const cased = ignoreCase ? plain.toLowerCase() : plain;
  return cased.replace(/\s+/g, " ").trim();
};

/** Ways to score an answer, by a task's `type`. */
export const answerKinds = {
  /** The whole answer is one of `answer`. */
  exact_match: {
    prompt: "{question}",
    keys: ["ignore_case", "ignore_punctuation"],
    scorer: (row, task) => {
      const how = {
        ignoreCase: task.flag("ignore_case", false),
        ignorePunctuation: task.flag("ignore_punctuation", false),
      };
      const right = new Set(row.texts("answer").map((text) => normalized(text, how)));
      return (answer) => ({ score: won(right.has(normalized(answer, how))) });
    },
    example: (row) => row.texts("answer")[0],
  },
  last_number: lastNumberKind,
  gsm8k,
  math401,
  math23k,
  coqa,
  drop,
  function_calls: functionCalls,
  /** The share of `keywords` that the answer holds, whatever their case. */
  keywords: {
    prompt: "{question}",
    keys: [],
    scorer: (row) => {
      const words = row.texts("keywords").map((word) => word.toLowerCase());
      return (answer) => {
        const said = answer.toLowerCase();
        return { score: words.filter((word) => said.includes(word)).length / words.length };
      };
    },
    example: (row) => row.text("answer"),
  },
  /**
   * IFEval: the share of prompts of which all instructions are followed, to the letter; beside it loosely, and the share of
   * all instructions, of whatever prompt.
   */
  instructions: {
    prompt: "{prompt}",
    keys: [],
    measures: ["instruction_strict", "prompt_loose", "instruction_loose"],
    scorer: (row) => {
      const ids = row.texts("instruction_id_list");
      const given = row.raw("kwargs");
      if (!Array.isArray(given) || given.length !== ids.length)
        throw new InputError(`${row.where}: "kwargs" is ${show(given)}; it must hold one object for each instruction`);
      const checks = ids.map((id, i) => instruction(id, given[i], row.where));
      return async (answer, tools) => {
        const aids = await aidsOf(ids, tools);
        const variants = looseVariants(answer);
        const strict = checks.filter((check) => check(answer, aids)).length;
        const loose = checks.filter((check) => variants.some((variant) => check(variant, aids))).length;
        return {
          score: won(strict === checks.length),
          prompt_loose: won(loose === checks.length),
          instructions: checks.length,
          strict,
          loose,
        };
      };
    },
    example: (row) => row.text("answer"),
    total: (rows) => {
      const { score, prompt_loose = 0 } = meanScores(rows);
      const all = Math.max(1, sumOf(rows, "instructions"));
      const share = (key: string): number => (rows.length === 0 ? 0 : sumOf(rows, key) / all);
      return { score, instruction_strict: share("strict"), prompt_loose, instruction_loose: share("loose") };
    },
    ready: async (rows, _task, tools) => {
      await aidsOf(
        rows.flatMap((row) => row.texts("instruction_id_list")),
        tools,
      );
    },
  },
  /** No letter of another script than the task's, the row's, or the prompt's own `scripts`: no code-switching. */
  scripts: {
    prompt: "{prompt}",
    keys: ["scripts"],
    scorer: (row, task, prompt) => {
      const home = row.optionalTexts("scripts") ?? task.optionalTexts("scripts") ?? scriptsIn(prompt);
      const share = foreignShare(home, row.where);
      return (answer) => {
        const foreign = share(answer);
        return { score: won(foreign === 0), foreign_letters: foreign };
      };
    },
    example: (row) => row.text("answer"),
  },
  code,
} as const satisfies Record<string, AnswerKind>;

export type AnswerKindName = keyof typeof answerKinds;
