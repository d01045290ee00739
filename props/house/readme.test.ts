import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { goldenPath, projectRoot } from "../golden/files.js";

const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
const [example = "", loop = "", talk = ""] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);

/** Runs a program of the README on the cpu device; `change` puts the test's files where the reader's stand. */
const printed = async (name: string, source: string, change: (code: string) => string = (code) => code) => {
  const folder = join(projectRoot, ".props");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `readme-${name}.mjs`);
  const { code } = await transform(source.replace('open("auto")', 'open("cpu")'), { loader: "ts", format: "esm" });
  writeFileSync(file, change(code));
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: projectRoot, timeout: 60_000 });
  return stdout;
};

test("README: the example runs as printed and learns [1, 2]", async () => {
  const stdout = await printed("example", example);
  const [, first, second] = /\[\s*(\S+),\s*(\S+)\s*\]/.exec(stdout) ?? [];
  assert.ok(Math.abs(Number(first) - 1) < 0.02 && Math.abs(Number(second) - 2) < 0.02, stdout);
});

test("README: the training loop by hand starts at ln 2 and learns", async () => {
  const stdout = await printed("loop", loop, (code) =>
    code
      .replaceAll('"runs/sft"', JSON.stringify(goldenPath("preferences", "sft")))
      .replace('"models/base"', JSON.stringify(goldenPath("preferences", "policy")))
      .replace('"pairs.jsonl"', JSON.stringify(goldenPath("preferences", "chat.jsonl")))
      .replace("1e-4)", "3e-3)")
      .replace("t < 100", "t < 20"),
  );
  const losses = stdout
    .trim()
    .split("\n")
    .map((line) => Number(line.split(" ")[1]));
  assert.equal(losses.length, 20);
  assert.ok(Math.abs(losses[0] - Math.LN2) < 1e-5, stdout);
  assert.ok(
    losses.slice(-5).every((loss) => loss < Math.LN2 - 0.01),
    stdout,
  );
  assert.ok(loop.trim().split("\n").length <= 40, "shorten the loop");
});

test("README: tokens stream as printed", async () => {
  const folder = JSON.stringify(goldenPath("preferences", "policy"));
  const stdout = await printed("talk", talk, (code) => code.replaceAll('"runs/dpo"', folder));
  assert.ok(stdout.length > 0 && talk.includes("streamTokens"), stdout);
});

test("README: the example is at most twenty-odd lines", () => {
  assert.ok(example.trim().split("\n").length <= 22, "shorten the example");
});

test("README: every folder it maps exists, and every folder of code is mapped", () => {
  const mapped = [...readme.matchAll(/^\| `(\w+)\/` \|/gm)].map(([, name]) => name).sort();
  assert.deepEqual(mapped, [
    "align",
    "bench",
    "cli",
    "configs",
    "core",
    "kernels",
    "lab",
    "library",
    "models",
    "optim",
    "props",
  ]);
});
