/** Programs that the documents show, as files of one folder: checked in one pass of tsc, and run in one process. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { goldenPath, projectRoot as root } from "../golden/files.js";

/** A program of a document, and what it says that it prints. */
export interface Program {
  readonly name: string;
  readonly source: string;
  /** Lines, in order; others may be printed in between. */
  readonly prints: readonly string[];
}

export const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

/** An example: its first comment says all that it prints. */
export const exampleOf = (path: string): Program => {
  const source = textOf(path);
  const [, said = ""] = /^\/\*\*[\s\S]*?\n \* (?:Prints|Shows):\n([\s\S]*?)\n \*\//.exec(source) ?? [];
  const prints = said.split("\n").map((line) => line.replace(/^ \* {3}/, ""));
  return { name: basename(path, ".ts"), source, prints };
};

const opens = (code: string): boolean => code.includes("await open(");

/**
 * The programs of a Markdown file: its ts blocks, one after the other; one that opens another device begins another program. What follows `// → ` is a line that is printed.
 */
export const programsIn = (path: string): Program[] => {
  const sources: string[] = [];
  for (const [, code = ""] of textOf(path).matchAll(/^```ts\n([\s\S]*?)^```/gm))
    if (sources.length === 0 || (opens(code) && opens(sources.at(-1) ?? ""))) sources.push(code);
    else sources[sources.length - 1] += code;
  return sources.map((source, i) => ({
    name: `${basename(path, ".md")}-${i + 1}`,
    source,
    prints: [...source.matchAll(/\/\/ → (.*)/g)].map(([, line = ""]) => line),
  }));
};

/** What a reader has where the documents say so. */
const STANDS_FOR: readonly (readonly [there: string, here: string])[] = [
  ['"auto"', '"cpu"'],
  ['"runs/sft"', JSON.stringify(goldenPath("preferences", "sft"))],
  ['"models/base"', JSON.stringify(goldenPath("preferences", "policy"))],
  ['"runs/dpo"', JSON.stringify(goldenPath("preferences", "policy"))],
  ['"runs/aligned"', JSON.stringify(join(root, ".props", "documents", "aligned"))],
  ['"pairs.jsonl"', JSON.stringify(goldenPath("preferences", "chat.jsonl"))],
];
const folder = join(root, ".props", "documents");

/** The tests' flags, which keep V8 from optimizing what runs once. */
const FLAGS = process.execArgv.filter((flag) => /^--(interrupt-budget|single-threaded-gc)/.test(flag));

const node = async (args: readonly string[]): Promise<string> => {
  const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined, TAUGRAD_THREADS: "1" };
  const run = promisify(execFile)(process.execPath, [...FLAGS, ...args], { cwd: root, env, timeout: 120_000 });
  const { stdout } = await run.catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
  return stdout;
};

/** Writes the programs, as a user's strictest settings take them, and compiles them; fails with what tsc says. */
export const compiled = async (programs: readonly Program[]): Promise<void> => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, source } of programs) {
    const here = STANDS_FOR.reduce((text, [there, here]) => text.replaceAll(there, here), source);
    writeFileSync(join(folder, `${name}.ts`), here);
  }
  const compilerOptions = { noEmit: false, rootDir: ".", outDir: "built" };
  const files = programs.map(({ name }) => `${name}.ts`);
  const settings = { extends: "../../examples/tsconfig.json", compilerOptions, include: [], files };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  await node([
    join(root, "node_modules", "typescript", "lib", "tsc.js"),
    "--singleThreaded",
    "-p",
    folder,
    "--pretty",
    "false",
  ]);
};

const RUNNER = `
  const outputs = {};
  const { write } = process.stdout;
  for (const name of process.argv.slice(2)) {
    let text = "";
    process.stdout.write = (chunk) => ((text += chunk), true);
    try {
      await import(\`./built/\${name}.js\`);
    } catch (error) {
      text += error.stack;
    }
    process.stdout.write = write;
    outputs[name] = text;
  }
  process.stdout.write(JSON.stringify(outputs));
`;

/** What each program prints, run one after the other in one process on the cpu device; with its error, if it has one. */
export const outputsOf = async (programs: readonly Program[]): Promise<Readonly<Record<string, string>>> => {
  writeFileSync(join(folder, "run.mjs"), RUNNER);
  return JSON.parse(await node([join(folder, "run.mjs"), ...programs.map(({ name }) => name)]));
};
