import { InputError } from "../../../core/errors.js";
import { instead } from "../../../core/suggest.js";
import type { AnswerKind } from "../kinds/kind.js";
import type { Fields } from "../rows/fields.js";
import { filled } from "../rows/filled.js";
import type { Limits } from "./confined.js";
import { type LanguageName, languages } from "./languages.js";
import { type CodeSet, codeSetOf } from "./sets.js";

const setOf = (task: Fields): CodeSet => codeSetOf(task, filled);

const languageOf = (task: Fields): LanguageName => {
  const name = task.text("language", setOf(task).language);
  if (!Object.hasOwn(languages, name))
    throw new InputError(`${task.where}: unknown language "${name}"; ${instead(name, Object.keys(languages))}`);
  return name as LanguageName;
};

const limitsOf = (task: Fields): Limits => {
  const { seconds, memory } = setOf(task);
  return { seconds: task.count("timeout", 1, seconds, 3600), memory: task.count("memory", 64, memory, 2 ** 20) };
};

/** pass@1: the answer's code, with the row's tests, runs to its end in the sandbox.  Chen et al. 2021. */
export const code: AnswerKind = {
  prompt: (task) => setOf(task).prompt,
  keys: ["set", "program", "language", "timeout", "memory"],
  stop: (task) => setOf(task).stop,
  scorer: (row, task) => {
    const { program } = setOf(task);
    const [language, limits] = [languageOf(task), limitsOf(task)];
    program(row, ""); // a field that is missing is found before anything runs
    return async (answer, tools) => {
      const { ending } = await (await tools.runner(language))(program(row, answer), limits);
      return { score: ending === "passed" ? 1 : 0, out_of_time: ending === "time" ? 1 : 0 };
    };
  },
  example: (row, task) => setOf(task).example(row),
  ready: async (_rows, task, tools) => void (await tools.runner(languageOf(task))),
};
