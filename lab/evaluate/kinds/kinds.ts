import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import { code } from "../code/kind.js";
import type { Fields } from "../rows/fields.js";
import { instruction, looseVariants } from "./instructions.js";
import { type AnswerKind, meanScores, sumOf, won } from "./kind.js";
import { foreignShare, scriptsIn } from "./scripts.js";

/** A hyphen after a digit is no sign: 3-4. */
const NUMBER = /(?:(?<!\d)[-+])?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)/g;

/** The last number in a text: "1,234.50." → 1234.5. GSM8K writes its answer after ####. */
export const lastNumber = (text: string): number | undefined => {
  const found = text.match(NUMBER);
  return found === null ? undefined : Number(found[found.length - 1].replaceAll(",", ""));
};

const goldNumber = (row: Fields): number => {
  const given = row.raw("answer");
  const found =
    typeof given === "number"
      ? given
      : typeof given === "string"
        ? lastNumber(given.split("####").at(-1) as string)
        : undefined;
  if (found === undefined || !Number.isFinite(found))
    throw new InputError(`${row.where}: "answer" is ${show(given)}; it must hold a number`);
  return found;
};

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
  /** The last number of the answer is that of `answer`.  Cobbe et al. 2021 (GSM8K). */
  last_number: {
    prompt: "{question}",
    keys: [],
    scorer: (row) => {
      const right = goldNumber(row);
      return (answer) => ({ score: won(lastNumber(answer) === right) });
    },
    example: (row) => row.text("answer"),
  },
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
    scorer: (row) => {
      const ids = row.texts("instruction_id_list");
      const given = row.raw("kwargs");
      if (!Array.isArray(given) || given.length !== ids.length)
        throw new InputError(`${row.where}: "kwargs" is ${show(given)}; it must hold one object for each instruction`);
      const checks = ids.map((id, i) => instruction(id, given[i], row.where));
      const known = checks.filter((check) => check !== undefined);
      if (known.length < checks.length) return undefined;
      return (answer) => {
        const variants = looseVariants(answer);
        const strict = known.filter((check) => check(answer)).length;
        const loose = known.filter((check) => variants.some(check)).length;
        return {
          score: won(strict === known.length),
          prompt_loose: won(loose === known.length),
          instructions: known.length,
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
