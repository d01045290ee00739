import { Worker } from "node:worker_threads";

/** Milliseconds between signs of life. */
const BEAT = 10_000;

/** Files that are written again and again with what stands at their beginning: their time is the sign of life. */
export interface Heart {
  readonly add: (path: string, text: string) => void;
  readonly drop: (path: string) => void;
  readonly stop: () => void;
}

/** Beats on a thread, for a step may keep this one busy. Only other machines go by its signs, so what fails is not told. */
export const openHeart = (): Heart => {
  const worker = new Worker(
    `const { openSync, writeSync, fsyncSync, closeSync } = require("node:fs");
     const { parentPort, workerData } = require("node:worker_threads");
     const files = new Map();
     const quietly = (run) => { try { run(); } catch {} };
     parentPort.on("message", ({ path, text }) => quietly(() => {
       if (text !== undefined) return void files.set(path, { file: openSync(path, "r+"), text });
       const { file } = files.get(path);
       files.delete(path);
       closeSync(file);
     }));
     setInterval(() => {
       for (const { file, text } of files.values()) quietly(() => { writeSync(file, text, 0); fsyncSync(file); });
     }, workerData);`,
    { eval: true, workerData: BEAT },
  );
  worker.on("error", () => {});
  worker.unref();
  return {
    add: (path, text) => worker.postMessage({ path, text }),
    drop: (path) => worker.postMessage({ path }),
    stop: () => void worker.terminate(),
  };
};
