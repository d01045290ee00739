import { Worker } from "node:worker_threads";
import { process } from "../platform/node/globals.js";

/**
 * What a thread runs, as text, so no bundler has to know of a second entry point: it loads a module by its address, whose
 * `serve` makes of the data an answerer, and answers one message after the other.
 */
const RUNNER = `
const { parentPort, workerData } = require("node:worker_threads");
import(workerData.module).then(({ serve }) => serve(workerData.data)).then((answer) => {
  let last = Promise.resolve();
  parentPort.on("message", ({ id, message }) => {
    last = last.then(async () => {
      try {
        const { value, transfer = [] } = await answer(message);
        parentPort.postMessage({ id, value }, transfer);
      } catch (error) {
        parentPort.postMessage({ id, failed: { isInput: error?.name === "InputError", message: String(error?.message ?? error) } });
      }
    });
  });
  parentPort.postMessage({ isReady: true });
}, (error) => { throw error; });
`;

/** Answers messages on a thread. What it hands over in `transfer` is moved, not copied. */
export type Answerer<Ask, Answer> = (
  message: Ask,
) =>
  | Promise<{ readonly value: Answer; readonly transfer?: readonly ArrayBuffer[] }>
  | { readonly value: Answer; readonly transfer?: readonly ArrayBuffer[] };

/** A thread ended, or was ended, before it answered; `why` says so in words that follow a subject. */
export class ThreadLost extends Error {
  readonly isStart: boolean;
  constructor(why: string, isStart: boolean) {
    super(why);
    this.isStart = isStart;
  }
}

export interface ThreadOptions<Data, Ask, Answer> {
  /** The module that the thread loads: its own address, and what makes an answerer of the data. */
  readonly module: { readonly here: string; readonly serve: (data: Data) => Answerer<Ask, Answer> };
  /** What `serve` is given; a structured clone of it arrives. */
  readonly data: Data;
  /** Most memory of its JavaScript values, in MiB. */
  readonly mebibytes: number;
}

export interface AskOptions {
  /**
   * Longest that the answer may take, in ms of the process's own time and of the clock's, from when it is the first in line: a busy
   * machine is no fault of the file's, nor are other threads. Of waiting, for a disk or for its turn, twenty times as much.
   */
  readonly limit: number;
  /** Most that the process may grow by meanwhile, in MiB: buffers, which no thread has a limit for. */
  readonly growth?: number;
  readonly transfer?: readonly ArrayBuffer[];
}

export interface Thread<Ask, Answer> {
  /** Whether it has come up. */
  readonly isReady: () => boolean;
  /** Is over when it has come up, or cannot. */
  readonly coming: Promise<void>;
  /** Errors: ThreadLost; what the answerer throws. */
  readonly ask: (message: Ask, options: AskOptions) => Promise<Answer>;
  readonly close: () => void;
}

interface Asked {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  readonly options: AskOptions;
  since?: { readonly wall: number; readonly cpu: NodeJS.CpuUsage; readonly memory: number };
}

type Told =
  | { readonly isReady: true }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failed: { readonly isInput: boolean; readonly message: string } };

/** How often a thread is looked after, in ms. */
const LOOK = 50;
/** So many times its limit may something take that waits. */
const WAITING = 20;
const MEBI = 2 ** 20;

/**
 * Starts a thread for what somebody else's file decides the cost of, with limits on time and memory; beyond one of them it is
 * ended. `revive` makes the error of a message. Once it has come up, it keeps no
 * process alive unless somebody waits for an answer.
 */
export const startThread = <Data, Ask, Answer>(
  { module, data, mebibytes }: ThreadOptions<Data, Ask, Answer>,
  revive: (message: string, isInput: boolean) => Error,
): Thread<Ask, Answer> => {
  const waiting = new Map<number, Asked>();
  let [next, isReady, lost]: [number, boolean, ThreadLost | undefined] = [0, false, undefined];
  let arrive = (): void => {};
  const coming = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  let watch: ReturnType<typeof setInterval> | undefined;
  const worker = new Worker(RUNNER, {
    eval: true,
    workerData: { module: module.here, data },
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: mebibytes },
  });

  const rest = (): void => {
    if (waiting.size > 0) return;
    clearInterval(watch);
    watch = undefined;
    worker.unref();
  };
  const lose = (why: string): void => {
    lost ??= new ThreadLost(why, !isReady);
    arrive();
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
    rest();
    void worker.terminate();
  };
  const first = (): Asked | undefined => waiting.values().next().value;
  const begin = (): void => {
    const asked = first();
    if (asked === undefined || !isReady) return;
    asked.since = { wall: performance.now(), cpu: process.cpuUsage(), memory: process.memoryUsage.rss() };
  };
  const look = (): void => {
    const { since, options } = first() ?? {};
    if (since === undefined || options === undefined) return;
    const { limit, growth = Number.POSITIVE_INFINITY } = options;
    const { user, system } = process.cpuUsage(since.cpu);
    const wall = performance.now() - since.wall;
    // Of the process's time other threads may have had most, but this one no more than has passed.
    if (Math.min((user + system) / 1000, wall) > limit || wall > WAITING * limit)
      lose(`takes more than ${Math.round(limit / 1000)} s`);
    else if (process.memoryUsage.rss() - since.memory > growth * MEBI) lose(`takes more than ${growth} MiB of memory`);
  };
  worker.on("message", (told: Told) => {
    if ("isReady" in told) {
      isReady = true;
      arrive();
      rest(); // until it has come up, somebody may wait for that
    } else {
      const asked = waiting.get(told.id);
      waiting.delete(told.id);
      if ("failed" in told) asked?.reject(revive(told.failed.message, told.failed.isInput));
      else asked?.resolve(told.value as never);
      rest();
    }
    begin();
  });
  worker.on("error", (error: NodeJS.ErrnoException) =>
    lose(
      error.code === "ERR_WORKER_OUT_OF_MEMORY"
        ? `takes more than ${mebibytes} MiB of memory`
        : `ends: ${error.message}`,
    ),
  );
  worker.on("exit", () => lose("ends too early"));

  return {
    isReady: () => isReady && lost === undefined,
    coming,
    ask: (message, options) => {
      if (lost !== undefined) return Promise.reject(lost);
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject, options });
        if (waiting.size === 1) begin();
        worker.ref();
        watch ??= setInterval(look, LOOK);
        worker.postMessage({ id, message }, (options.transfer ?? []) as ArrayBuffer[]);
      });
    },
    close: () => lose("is closed"),
  };
};
