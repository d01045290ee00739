/** The tools that read the source: each must find nothing. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import test from "node:test";
import { projectRoot as root } from "../golden/files.js";

/** Exit code and output of a script of a development dependency, run in the project root. */
const tool = (script: string, args: readonly string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, "node_modules", script), ...args],
      // The test runner's marks on the environment are not for the tools.
      { cwd: root, env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined } },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
    );
  });

const TSC = "typescript/lib/tsc.js";
/** Several threads would each infer what they share: a third more work, while another process of laws has the other core. */
const ONCE = ["--noEmit", "--singleThreaded"];
const checks: readonly (readonly [title: string, script: string, args: readonly string[]])[] = [
  ["tsc: types", TSC, [...ONCE, "-p", "."]],
  ["tsc: types of the page, which alone has the DOM", TSC, [...ONCE, "-p", "page"]],
  ["biome: format and lint", "@biomejs/biome/bin/biome", ["check", "--colors=off", "--max-diagnostics=30", "."]],
  ["knip: nothing unused", "knip/bin/knip.js", ["--no-progress", "--no-config-hints"]],
  ["publint: the package's fields", "publint/src/cli.js", ["--strict", "--pack", "false"]],
];

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const tooOld = major === 20 && minor < 19 ? "knip needs Node 20.19" : false;

for (const [title, script, args] of checks) {
  test(title, { skip: script.startsWith("knip/") && tooOld }, async () => {
    const { code, output } = await tool(script, args);
    assert.ok(code === 0, `${script} ${args.join(" ")} exited ${code}\n${output}`);
  });
}
