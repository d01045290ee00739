import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { projectRoot } from "./golden/files.js";

const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";

test("README: the example runs as printed and learns [1, 2]", async () => {
  const folder = join(projectRoot, ".props");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "readme-example.mjs");
  const { code } = await transform(example.replace('open("auto")', 'open("cpu")'), { loader: "ts", format: "esm" });
  writeFileSync(file, code);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: projectRoot, timeout: 60_000 });
  const [, first, second] = /\[\s*(\S+),\s*(\S+)\s*\]/.exec(stdout) ?? [];
  assert.ok(Math.abs(Number(first) - 1) < 0.02 && Math.abs(Number(second) - 2) < 0.02, stdout);
});

test("README: the example is at most twenty-odd lines", () => {
  assert.ok(example.trim().split("\n").length <= 22, "shorten the example");
});

test("README: every folder it maps exists, and every folder of code is mapped", () => {
  const mapped = [...readme.matchAll(/^\| `(\w+)\/` \|/gm)].map(([, name]) => name).sort();
  assert.deepEqual(mapped, ["align", "bench", "cli", "core", "kernels", "models", "optim", "props"]);
});
