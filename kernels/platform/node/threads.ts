import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { workerText } from "../../cpu/threads/worker.js";
import type { Threads } from "../platform.js";

/** Modules come by a port that is looked into when they are needed. */
const WORKER = workerText(
  `
const { workerData, receiveMessageOnPort } = require("node:worker_threads");
const { memory, port, thread } = workerData;
const receive = () => receiveMessageOnPort(port).message;
const greet = () => port.postMessage("here");`,
  "port.close();",
);

const startHelper: Threads["startHelper"] = (memory, thread, onEnd) => {
  const { port1, port2 } = new MessageChannel();
  let [port, isHere, isClosed] = [port1, false, false];
  let worker: Worker;
  try {
    worker = new Worker(WORKER, {
      eval: true,
      workerData: { memory, port: port2, thread },
      transferList: [port2],
      // Nothing that the main program was started with is for the workers.
      execArgv: [],
      env: {},
    });
  } catch {
    port1.close();
    return undefined;
  }
  /** Its greeting, or the end of its port, is the next thing that lies there. */
  const look = (): void => {
    if (receiveMessageOnPort(port) !== undefined) isHere = true;
  };
  worker
    .on("error", () => {}) // told by the exit
    .on("exit", () => {
      if (isClosed) return;
      look();
      if (isHere) onEnd();
    })
    .unref();
  port.unref();
  return {
    tell: ({ module, names }) => port.postMessage({ module, names }),
    hasEnded: () => {
      look();
      look();
      // A port whose other end is gone cannot be handed over.
      const { port1: from, port2: to } = new MessageChannel();
      try {
        from.postMessage(port, [port]);
        port = receiveMessageOnPort(to)?.message;
        port.unref();
        return false;
      } catch {
        return isHere;
      } finally {
        from.close();
      }
    },
    close: () => {
      isClosed = true;
      port.close();
    },
  };
};

export const threads: Threads = {
  startHelper,
  sleep: (words, index, value, milliseconds) => {
    Atomics.wait(words, index, value, milliseconds);
  },
};
