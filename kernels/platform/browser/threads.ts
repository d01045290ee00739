import { workerText } from "../../cpu/threads/worker.js";
import type { Threads } from "../platform.js";
import { page } from "./page.js";

/**
 * Modules come by shared memory that grows: a worker at work hears no messages. Each is the length of its names, its own, its
 * names as JSON, itself; the worker reads on where it stopped.
 */
const WORKER = workerText(
  `onmessage = ({ data: { memory, log, thread } }) => {
let at = 0;
const take4 = () => new DataView(log).getUint32((at += 4) - 4);
const takeBytes = (length) => new Uint8Array(log).slice(at, (at += length));
const receive = () => {
  const [named, length] = [take4(), take4()];
  const names = JSON.parse(new TextDecoder().decode(takeBytes(named)));
  return { names, module: new WebAssembly.Module(takeBytes(length)) };
};
const greet = () => postMessage("here");`,
  "close();\n};",
);

/** Most bytes of modules, of some KB each: addresses, which cost nothing until they are used. */
const MOST = 2 ** 27;

const startHelper: Threads["startHelper"] = (memory, thread, onEnd) => {
  if (page.Worker === undefined) return undefined;
  let isHere = false;
  const log = new SharedArrayBuffer(0, { maxByteLength: MOST });
  const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
  let worker: InstanceType<typeof page.Worker>;
  try {
    worker = new page.Worker(url);
  } catch {
    return undefined; // the page's policy (worker-src) has no blob:
  }
  worker.onmessage = () => {
    isHere = true;
    URL.revokeObjectURL(url);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    if (isHere) onEnd();
  };
  worker.postMessage({ memory, log, thread });
  return {
    tell: ({ bytes, names }) => {
      const text = new TextEncoder().encode(JSON.stringify(names));
      const at = log.byteLength;
      log.grow(at + 8 + text.length + bytes.length);
      const head = new DataView(log, at);
      head.setUint32(0, text.length);
      head.setUint32(4, bytes.length);
      const into = new Uint8Array(log);
      into.set(text, at + 8);
      into.set(bytes, at + 8 + text.length);
    },
    hasEnded: () => false, // a browser tells by an event alone
    close: () => worker.terminate(),
  };
};

/** A page's main thread may not sleep, nor may some workers: they look again at once. */
let maySleep = true;

export const threads: Threads = {
  startHelper,
  sleep: (words, index, value, milliseconds) => {
    if (!maySleep) return;
    try {
      Atomics.wait(words, index, value, milliseconds);
    } catch {
      maySleep = false;
    }
  },
};
