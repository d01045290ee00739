import { InputError } from "../../../core/errors.js";
import { instead } from "../../../core/suggest.js";
import { isObject, show } from "../../../models/files/json.js";
import { parseBounded } from "../../../models/files/parse-json.js";
import type { Fields } from "../rows/fields.js";
import type { LanguageName } from "./languages.js";

/** How a data set asks for code, and what it runs. */
export interface CodeSet {
  readonly language: LanguageName;
  /** Seconds and MiB that a program has. */
  readonly seconds: number;
  readonly memory: number;
  readonly prompt: string;
  /** Where a continuation of the prompt ends; answers by a chat template end by themselves. */
  readonly stop: readonly string[];
  /** The program: an answer with the row's tests. */
  readonly program: (row: Fields, answer: string) => string;
  /** The answer that an example shows. */
  readonly example: (row: Fields) => string;
}

/** What is between the first fences of an answer (of those with the word in it, if there is one), or all of it. */
export const codeIn = (answer: string, word = ""): string => {
  const blocks = [...answer.matchAll(/```[^\n`]*\n([\s\S]*?)(?:```|$)/g)].map(([, block]) => block);
  return blocks.find((block) => block.includes(word)) ?? blocks[0] ?? answer;
};

/** A function's definition that begins a line. */
const defines = (code: string, name: string): boolean =>
  code.split("\n").some((line) => line.startsWith(`def ${name}(`) || line.startsWith(`async def ${name}(`));

/** What comes before a function's definition: imports, and helpers that it is given. */
const before = (prompt: string, name: string): string => {
  const lines = prompt.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`def ${name}(`));
  return at < 0
    ? ""
    : lines
        .slice(0, at + 1)
        .slice(0, -1)
        .join("\n");
};

/** Python's literal of a text. */
const literal = (text: string): string => JSON.stringify(text);

/** CodeApex' `example`: a list of { input, output }, as JSON or as its text. */
const examplesOf = (row: Fields): readonly { readonly input: string; readonly output: string }[] => {
  const given = row.raw("example");
  let list: unknown = given;
  try {
    if (typeof given === "string") list = parseBounded(given);
  } catch {
    // told below
  }
  const whole = Array.isArray(list) ? list.filter(isObject) : [];
  const tests = whole.map(({ input, output }) => ({ input: String(input ?? ""), output: String(output ?? "") }));
  if (tests.length === 0)
    throw new InputError(`${row.where}: "example" is ${show(given)}; it must hold a list of {"input", "output"}`);
  return tests;
};

export const codeSets = {
  /** Chen et al. 2021, `execution.py`: prompt, completion, test, check(entry point). A whole function is one, too. */
  humaneval: {
    ...{ language: "python", seconds: 3, memory: 1024, prompt: "{prompt}" },
    stop: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"],
    program: (row, answer) => {
      const [prompt, name] = [row.text("prompt"), row.text("entry_point")];
      const code = codeIn(answer, `def ${name}(`);
      const whole = defines(code, name) ? `${before(prompt, name)}\n${code}` : prompt + code;
      return `${whole}\n${row.text("test")}\ncheck(${name})`;
    },
    example: (row) => row.text("canonical_solution"),
  },
  /** Austin et al. 2021: their prompt; the code, then the set-up of the tests and the tests. */
  mbpp: {
    ...{ language: "python", seconds: 3, memory: 1024 },
    prompt:
      "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n{test_list}\n",
    stop: ["[DONE]"],
    program: (row, answer) => {
      const code = codeIn(answer.replace("[BEGIN]", "").split("[DONE]")[0]);
      const setup = row.optionalText("test_setup_code") ?? row.optionalTexts("test_imports")?.join("\n") ?? "";
      return [code, setup, ...row.texts("test_list")].join("\n");
    },
    example: (row) => `[BEGIN]\n${row.text("code")}\n[DONE]`,
  },
  /** Lai et al. 2022, `test_ds1000.py` of the simplified files: the row's context calls the code that it is given. */
  ds1000: {
    ...{ language: "python", seconds: 120, memory: 8192, prompt: "{prompt}" },
    stop: ["</code>", "# SOLUTION END"],
    program: (row, answer) => {
      const context = row.text("code_context");
      const [beforeTag] = answer.split("</code>");
      const [code] = beforeTag.replaceAll("```python", "").split("```")[0].split("\nEND SOLUTION");
      const calls = ["test_execution(code)", ...(context.includes("test_string(") ? ["test_string(code)"] : [])];
      return [context, `code = ${literal(code.replaceAll("<code>", ""))}`, ...calls].join("\n");
    },
    example: (row) => row.text("reference_code"),
  },
  /** Fu et al. 2023: C++; the function in the row's context, and its examples as tests, of which each has the row's time. */
  codeapex: {
    ...{ language: "cpp", seconds: 30, memory: 2048 },
    prompt:
      "{problem_description}\n\nComplete the function {function_declaration} in this program, and answer with the function alone:\n```cpp\n{code_context}\n```",
    stop: [],
    program: (row, answer) => {
      const [head, tail] = row.text("code_context").split("// function start");
      const source = `${head}${codeIn(answer)}\n${tail?.split("// function end")[1] ?? ""}`;
      return JSON.stringify({ source, tests: examplesOf(row), seconds: row.count("time_limit", 1, 1000) / 1000 });
    },
    example: (row) => row.text("function_declaration"),
  },
} as const satisfies Record<string, CodeSet>;

/** A task's own set: its `program` is a template of the row's fields and {code}. */
const ownSet = (template: string, fill: (template: string, row: Fields) => string): CodeSet => ({
  ...{ language: "python", seconds: 10, memory: 1024, prompt: "{prompt}", stop: [] },
  program: (row, answer) =>
    template
      .split("{code}")
      .map((part) => fill(part, row))
      .join(codeIn(answer)),
  example: (row) => row.text("answer"),
});

/** The set that a task names, or describes by `program`. Errors: InputError. */
export const codeSetOf = (task: Fields, fill: (template: string, row: Fields) => string): CodeSet => {
  const [name, template] = [task.optionalText("set"), task.optionalText("program")];
  if (template !== undefined && name === undefined) return ownSet(template, fill);
  if (template !== undefined) throw new InputError(`${task.where}: has both "set" and "program"; give one`);
  if (name === undefined)
    throw new InputError(`${task.where}: "set" is missing; it must be one of ${Object.keys(codeSets).join(", ")}`);
  if (!Object.hasOwn(codeSets, name))
    throw new InputError(`${task.where}: unknown set "${name}"; ${instead(name, Object.keys(codeSets))}`);
  return codeSets[name as keyof typeof codeSets];
};
