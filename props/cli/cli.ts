/** The command line: built, as a user runs it (`npm test` builds dist/ first), and within the process of a test. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { command, type Ended, inside } from "./inside.js";

export { command };

/** Options that may be given several times. */
const MANY = ["stop", "sbatch"];

/** Arguments in which the last of two equal options stands for both, of those that a command takes once. */
export const lastOf = (args: readonly string[]): readonly string[] => {
  const nameOf = (at: number): string | undefined =>
    /^--(?!no[-_])([^=]+)/.exec(args[at] ?? "")?.[1].replaceAll("-", "_");
  const isGone = (at: number): boolean => {
    const name = nameOf(at);
    return name !== undefined && !MANY.includes(name) && args.some((_, later) => later > at && nameOf(later) === name);
  };
  return args.filter((_, at) => !isGone(at) && !(isGone(at - 1) && nameOf(at) === undefined));
};

/**
 * Runs `taugrad …args` (`lastOf`) to its end, with this process's engine flags and without the test runner's marks on the environment.
 * `input` is its standard input.
 */
export const taugrad = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = "",
  cwd?: string,
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...command, ...lastOf(args)], {
      cwd,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined, ...env },
    });
    child.stdin.on("error", () => {}); // a call that is refused reads nothing
    child.stdin.end(input);
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        said[stream] += text;
      });
    child.on("error", reject).on("close", (code) => resolve({ code, ...said }));
  });

/** Runs `taugrad …args` in a folder. */
export const taugradIn = (folder: string, args: readonly string[]): Promise<Ended> => taugrad(args, {}, "", folder);

/** Runs a command that must succeed, within this process: `lastOf` its arguments. */
export const succeeds = async (args: readonly string[]): Promise<Ended> => {
  const ended = await inside(lastOf(args));
  assert.equal(ended.code, 0, `taugrad ${args.join(" ")}\n${ended.stderr}`);
  return ended;
};

/** The JSON document that a command prints: all of stdout, one line. */
export const document = async <T>(args: readonly string[]): Promise<T> => {
  const { stdout } = await succeeds([...args, "--json"]);
  assert.match(stdout, /^[^\n]+\n$/, "one line of JSON");
  return JSON.parse(stdout) as T;
};

/** A temporary folder that is removed after the tests. */
export const scratch = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-cli-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
