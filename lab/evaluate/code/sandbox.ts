import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { confined, type Launch, type Limits } from "./confined.js";
import { type Installed, type LanguageName, languages } from "./languages.js";
import { type Ended, run } from "./run.js";

/** Runs programs of one language. */
export type Runner = (program: string, limits: Limits) => Promise<Ended>;

/** What is known to switch namespaces off: a file, what it holds then, and what to do. */
const SWITCHES: readonly (readonly [path: string, off: RegExp, hint: string])[] = [
  [
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    /^1/,
    "AppArmor keeps user namespaces from programs: sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them",
  ],
  [
    "/proc/sys/kernel/unprivileged_userns_clone",
    /^0/,
    "user namespaces are root's: sysctl kernel.unprivileged_userns_clone=1 allows them",
  ],
  [
    "/proc/sys/user/max_user_namespaces",
    /^0$/,
    "there may be no user namespaces: sysctl user.max_user_namespaces=1000 allows them",
  ],
  ["/.dockerenv", /^/, "this is a container that may not make namespaces of its own"],
  ["/run/.containerenv", /^/, "this is a container that may not make namespaces of its own"],
];

const hint = (): string => {
  const found = SWITCHES.find(([path, off]) => existsSync(path) && off.test(readFileSync(path, "utf8").trim()));
  return found?.[2] ?? "it takes util-linux, and user namespaces or root";
};

const REFUSED =
  "generated programs are not run without a sandbox, unless --unsandboxed lets them do whatever you may do";

/** Sees from within whether the walls stand: raises, or does not compile, where one does not. */
const PYTHON_TRIAL = `
import os, socket, resource
assert not os.path.exists("/etc/passwd") and not os.path.exists("/proc/self") and os.listdir("/work") == []
assert not os.access("/", os.W_OK) and not os.access("/usr/lib", os.W_OK)
try: socket.socket()
except OSError: pass
else: raise AssertionError("sockets")
assert resource.getrlimit(resource.RLIMIT_NPROC)[1] <= 64 and resource.getrlimit(resource.RLIMIT_AS)[1] > 0
pid = os.fork()
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
open("file", "w").write("x")
`;
const TRIALS: Readonly<Record<LanguageName, string>> = {
  python: PYTHON_TRIAL,
  cpp: JSON.stringify({
    source: `#include <fstream>
#include <iostream>
#include <sys/socket.h>
int main() { std::cout << (std::ifstream("/etc/passwd").good() || socket(AF_INET, SOCK_STREAM, 0) >= 0) << std::endl; }`,
    ...{ tests: [{ input: "", output: "0" }], seconds: 10 },
  }),
  node: `
const fs = require("node:fs"), assert = require("node:assert");
assert(!fs.existsSync("/etc/passwd") && !fs.existsSync("/proc/self") && fs.readdirSync("/work").length === 0);
for (const path of ["/", "/usr/lib"]) assert.throws(() => fs.accessSync(path, fs.constants.W_OK));
assert(Object.values(require("node:os").networkInterfaces()).length === 0);
fs.writeFileSync("file", "x");
`,
};

const tried = async (name: LanguageName, installed: Installed): Promise<Runner> => {
  const launch = (limits: Limits): Launch => confined(languages[name], installed, limits);
  const runner: Runner = (program, limits) => run(launch(limits), program, limits);
  const limits = { seconds: 30, memory: 1024 };
  const trial = await runner(TRIALS[name], limits).catch((error: Error) => ({ ending: "failed", said: error.message }));
  if (trial.ending !== "passed")
    throw new InputError(`no sandbox for ${name} programs (${trial.said || trial.ending}): ${hint()}; ${REFUSED}`);
  return runner;
};

const loose = (name: LanguageName, { executable }: Installed): Runner => {
  const { command, harness, environment } = languages[name];
  const [first, ...args] = [...command(executable), harness(undefined)];
  return async (program, limits) => {
    const folder = mkdtempSync(join(tmpdir(), "taugrad-program-"));
    const given = { PATH: process.env.PATH ?? "", HOME: folder, TMPDIR: folder, ...environment };
    try {
      return await run({ confined: false, command: first, args, environment: given }, program, limits, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
};

/**
 * What runs programs of a language: confined, after a trial from within, or with the user's own rights where that is asked for.
 * Errors: InputError if there is no interpreter, or no sandbox on this machine.
 */
export const runnerOf = async (name: LanguageName, unsandboxed: boolean): Promise<Runner> => {
  const installed = languages[name].find();
  if (unsandboxed) return loose(name, installed);
  if (process.platform !== "linux")
    throw new InputError(`the sandbox is made of Linux's namespaces, and this is ${process.platform}; ${REFUSED}`);
  return tried(name, installed);
};
