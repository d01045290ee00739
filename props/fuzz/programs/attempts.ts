/** One hostile program against the sandbox, with witnesses of what it might reach. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runner } from "../../../lab/evaluate/code/sandbox.js";
import type { HostileProgram } from "./programs.js";

/** What the programs are told of, and whether one has come. */
export interface Witnesses {
  readonly filled: (program: string) => string;
  /** In one line, what has been reached; undefined: nothing. */
  readonly reached: () => string | undefined;
  readonly close: () => void;
}

const listening = (server: Server, at: number | string): Promise<void> =>
  new Promise((resolve) => {
    if (typeof at === "string") server.listen(at, resolve);
    else server.listen(at, "127.0.0.1", resolve);
  });

const SECRET = "nobody's business";

export const witnesses = async (): Promise<Witnesses> => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-witness-"));
  const [secret, socket, abstract] = [join(folder, "secret"), join(folder, "socket"), `taugrad-${process.pid}`];
  writeFileSync(secret, SECRET);
  let calls = 0;
  const answer = () =>
    createServer((call) => {
      calls++;
      call.destroy();
    });
  const servers = [answer(), answer(), answer()];
  await Promise.all([0, socket, `\0${abstract}`].map((at, i) => listening(servers[i], at)));
  const { port } = servers[0].address() as { port: number };
  let signals = 0;
  const heard = (): void => {
    signals++;
  };
  process.on("SIGTERM", heard);
  const names: Readonly<Record<string, string>> = {
    ...{ PARENT: String(process.pid), SECRET: secret, PORT: String(port), SOCKET: socket, ABSTRACT: abstract },
  };
  return {
    filled: (program) => program.replace(/PARENT|SECRET|PORT|SOCKET|ABSTRACT/g, (name) => names[name]),
    reached: () => {
      if (calls > 0) return "a server was called";
      if (signals > 0) return "a signal came";
      return readFileSync(secret, "utf8") === SECRET ? undefined : "a file was written";
    },
    close: () => {
      process.off("SIGTERM", heard);
      for (const server of servers) server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** Processes that this one has started and that still live. */
export const left = (): readonly string[] => {
  if (!existsSync(`/proc/${process.pid}/task`)) return [];
  const state = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/status`, "latin1");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter((pid) => {
    const text = /^\d+$/.test(pid) ? state(pid) : "";
    const stranger = Number(/^Uid:\s+(\d+)/m.exec(text)?.[1] ?? 0) >= 2 ** 30;
    return !/^State:\s+Z/m.test(text) && (stranger || /^Name:\s+unshare$/m.test(text)) && text.includes("PPid");
  });
};

export const LIMITS = { seconds: 1, memory: 256 };

/** What is wrong with how a program ended, in one line; undefined if it was stopped, in time, and left nothing. */
export const attempted = async (
  { name, program }: HostileProgram,
  runner: Runner,
  { filled, reached }: Witnesses,
): Promise<string | undefined> => {
  const started = performance.now();
  const { ending } = await runner(filled(program), LIMITS);
  const took = (performance.now() - started) / 1000;
  if (ending === "passed") return `${name}: got what it wanted`;
  if (took > 30) return `${name}: took ${took.toFixed(0)} s`;
  const what = reached();
  return what === undefined ? undefined : `${name}: ${what}`;
};
