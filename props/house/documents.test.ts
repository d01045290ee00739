/** Laws of what is written for readers: programs compile under the strictest settings, run, and print what is said. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { parseArguments } from "../../cli/arguments.js";
import type { CommandName } from "../../cli/options.js";
import { projectRoot as root } from "../golden/files.js";
import { ENTRIES, exportsByEntry, faultsOf } from "./docstrings.js";
import { folders, lostLinks, markdownFiles } from "./links.js";
import { compiled, exampleOf, outputsOf, type Program, programsIn, textOf } from "./programs.js";
import { isShown, programOf, snippetsOf } from "./snippets.js";

const readme = textOf("README.md");
/** The loop, so that it learns in twenty steps on the test's small model. */
const quick = ({ source, ...rest }: Program): Program => ({
  ...rest,
  source: source.replace("1e-4)", "3e-3)").replace("t < 100", "t < 20"),
});
const [[first], [loop], [talk]] = ["README.md", "docs/training.md", "docs/generation.md"].map(programsIn) as [
  Program,
][];
const examples = readdirSync(join(root, "examples"))
  .filter((name) => name.endsWith(".ts"))
  .map((name) => exampleOf(`examples/${name}`));
const page: Program = { ...exampleOf("examples/browser/page.ts"), name: "page" };
const snippets = snippetsOf(exportsByEntry);
const docstrings: Program = { name: "docstrings", source: programOf(snippets, exportsByEntry), prints: [] };
const guides = readdirSync(join(root, "docs"))
  .filter((name) => name.endsWith(".md") && !/^(training|generation)/.test(name))
  .flatMap((name) => programsIn(`docs/${name}`));
const run = [first, quick(loop), talk, ...examples, docstrings, ...guides];

let outputs: Readonly<Record<string, string>> = {};
before(async () => {
  await compiled([...run, page]);
  outputs = await outputsOf(run);
});
const outputOf = ({ name }: Program): string => outputs[name] ?? "";

for (const program of examples)
  test(`examples/${program.name}.ts prints what its comment says`, () => {
    assert.deepEqual(outputOf(program).trimEnd().split("\n"), program.prints);
  });

for (const program of guides)
  test(`docs: ${program.name} prints what its comments say`, () => {
    const printed = outputOf(program).split("\n");
    let at = 0;
    for (const line of program.prints) {
      const found = printed.indexOf(line, at);
      assert.ok(found >= 0, `${JSON.stringify(line)} is not printed, in this order:\n${outputOf(program)}`);
      at = found + 1;
    }
    assert.ok(program.prints.length > 0, "says nothing that it prints");
  });

test("docstrings: every export has one, with shapes, errors and formulas that Markdown leaves alone", () => {
  const faults = [...exportsByEntry.values()].flat().flatMap(faultsOf);
  assert.deepEqual([...new Set(faults)], []);
});

test("docstrings: an entry says what it is, by the name that it is imported by", () => {
  for (const [entry, file] of Object.entries(ENTRIES))
    assert.match(textOf(file), new RegExp(`^/\\*\\*\n \\* [\\s\\S]*?@module ${entry}\n \\*/`), file);
});

test("docstrings: every example runs, and gives what it says", () => {
  const given = JSON.parse(outputOf(docstrings)) as readonly unknown[];
  assert.ok(snippets.length >= 50, `${snippets.length} examples`);
  const wrong = snippets.flatMap(({ name, says, code }, i) =>
    says === undefined || isShown(given[i], says) ? [] : [`${name}: ${code} gives ${JSON.stringify(given[i])}`],
  );
  assert.deepEqual(wrong, []);
});

/** Lines of code of programs that do the same, written with PyTorch (transformers, PEFT) and with JAX (optax). */
const PEERS: Readonly<Record<string, { readonly torch: number; readonly jax?: number }>> = {
  regression: { torch: 12, jax: 13 },
  mlp: { torch: 21, jax: 26 },
  characters: { torch: 23 },
  lora: { torch: 26 },
  dpo: { torch: 32 },
};

test("examples take no more lines than in JAX, and at most a fifth more than in PyTorch", () => {
  for (const { name, source } of examples) {
    const { torch = Infinity, jax = Infinity } = PEERS[name] ?? {};
    const code = source.replace(/^\/\*\*[\s\S]*?\*\/$/m, "").match(/^(?!\s*\/\/).*\S/gm) ?? [];
    assert.ok(code.length <= Math.min(jax, 1.2 * torch), `${name}: ${code.length} lines`);
  }
});

test("examples/browser: what is shipped bundles for a page", async () => {
  const { bundlePage } = await import(pathToFileURL(join(root, "examples", "browser", "build.mjs")).href);
  const out = await bundlePage(join(root, ".props", "documents", "page"));
  assert.deepEqual(readdirSync(out).sort(), ["index.html", "page.js"]);
});

test("README: the example runs as printed and learns [1, 2]", () => {
  const [, w = "", b = ""] = /\[\s*(\S+),\s*(\S+)\s*\]/.exec(outputOf(first)) ?? [];
  assert.ok(Math.abs(Number(w) - 1) < 0.02 && Math.abs(Number(b) - 2) < 0.02, outputOf(first));
});

test("docs: the training loop by hand starts at ln 2 and learns", () => {
  const losses = outputOf(loop)
    .trim()
    .split("\n")
    .map((line) => Number(line.split(" ")[1]));
  assert.equal(losses.length, 20);
  assert.ok(Math.abs(losses[0] - Math.LN2) < 1e-5, outputOf(loop));
  assert.ok(
    losses.slice(-5).every((loss) => loss < Math.LN2 - 0.01),
    outputOf(loop),
  );
  assert.ok(loop.source.trim().split("\n").length <= 40, "shorten the loop");
});

test("docs: tokens stream as printed", () => {
  assert.ok(outputOf(talk).length > 0 && talk.source.includes("streamTokens"), outputOf(talk));
});

test("README: the example is at most twenty-odd lines", () => {
  assert.ok(first.source.trim().split("\n").length <= 22, "shorten the example");
});

test("README: every folder it maps exists, and every folder of code is mapped", () => {
  const mapped = [...readme.matchAll(/^\| `(\w+)\/` \|/gm)].map(([, name]) => name).sort();
  assert.deepEqual(mapped, folders);
});

test("every link of every Markdown file leads to a file, and to a heading of it", () => {
  assert.ok(markdownFiles.length > 15, markdownFiles.join(", "));
  assert.deepEqual(markdownFiles.flatMap(lostLinks), []);
});

test("every command that a document prints is one, and has the options that it is given", () => {
  const blocks = markdownFiles
    .filter((path) => /^(README|docs\/)/.test(path))
    .flatMap((path) => [...textOf(path).matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block));
  const printed = blocks
    .flatMap((block) => block.replace(/\\\n\s*/g, "").split("\n"))
    .flatMap((line) => /^(?:npx )?taugrad (\S.*?)(?: {2,}.*| #.*)?$/.exec(line)?.[1] ?? []);
  assert.ok(printed.length > 20, printed.join("\n"));
  for (const line of printed) {
    const [command = "", ...args] = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
      ([, a, b, c]) => a ?? b ?? c ?? "",
    );
    assert.doesNotThrow(() => parseArguments(command as CommandName, args), line);
  }
});
