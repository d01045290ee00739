import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { Memory, WasmModule } from "../wasm/host.js";
import { WORKER } from "./worker.js";

/** Functions of one module, by their names in it. */
export interface Part {
  readonly module: WasmModule;
  readonly names: readonly string[];
}

/** A worker thread as the main thread knows it. It keeps no process alive. */
export interface Helper {
  readonly tell: (part: Part) => void;
  /** Has it begun to work, and ended? Known at once, also while the main thread lets nothing else in. */
  readonly hasEnded: () => boolean;
  /** It is not needed any more. */
  readonly close: () => void;
}

/** Starts a thread; undefined if the system gives none. `onEnd` is told if it ends by itself once it has begun. */
export const startHelper = (memory: Memory, thread: number, onEnd: () => void): Helper | undefined => {
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
    tell: (part) => port.postMessage(part),
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
