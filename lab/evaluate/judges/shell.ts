import { type ChildProcess, spawn } from "node:child_process";
import { InputError } from "../../../core/errors.js";
import { tied } from "../tied.js";

/** What a command may take. */
export interface ShellLimits {
  /** Seconds, at most `LONGEST_WAIT`. */
  readonly timeout: number;
  /** Characters of output. */
  readonly output: number;
}

/** The longest that a timer waits, in seconds: beyond it, it fires at once. */
export const LONGEST_WAIT = Math.floor((2 ** 31 - 1) / 1000);

/** Ends a command's shell and all that it has started: on POSIX they are a process group of their own. */
const endAll = ({ pid }: ChildProcess): void => {
  if (pid === undefined) return;
  try {
    if (process.platform === "win32") spawn("taskkill", ["/pid", String(pid), "/T", "/F"], { stdio: "ignore" });
    else process.kill(-pid, "SIGKILL");
  } catch {
    // they have ended
  }
};

/**
 * Runs a shell command on an input; resolves to its output. Where it fails, takes too long or says too much, it is ended with
 * all that it has started, and nothing waits for what escaped.
 * Errors: InputError, "`name` …".
 */
export const shell = (
  name: string,
  command: string,
  input: string,
  { timeout, output }: ShellLimits,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, {
      ...{ shell: true, stdio: ["pipe", "pipe", "inherit"] as const },
      // Windows has no groups, and would open a console.
      detached: process.platform !== "win32",
    });
    const untie = tied(() => endAll(child));
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      untie();
      end();
    };
    const fail = (what: string): void =>
      settle(() => {
        endAll(child);
        child.stdout.destroy();
        child.stdin.destroy();
        child.unref();
        reject(new InputError(`${name} ${what}`));
      });
    const timer = setTimeout(() => fail(`has not answered within ${timeout} s`), timeout * 1000);
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.length > output) fail(`printed more than ${output} characters`);
    });
    // One that ends without reading everything is found by its answers.
    child.stdin.on("error", () => {});
    child.on("error", (error) => fail(`cannot be started (${error.message})`));
    child.on("close", (code, signal) => {
      if (code === 0) settle(() => resolve(said));
      else fail(`ended with ${signal ?? `exit code ${code}`}`);
    });
    child.stdin.end(input);
  });
