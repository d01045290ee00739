import { DeviceError, DeviceLostError } from "../../../core/errors.js";
import { threads as platform } from "../../platform/node/threads.js";
import type { Helper, Part } from "../../platform/platform.js";
import type { Memory } from "../wasm/host.js";
import { CONTROL, JOB, JOB_NUMBERS } from "./control.js";
import type { Alone, Pool } from "./pool.js";
import { SPINS } from "./worker.js";

/** Milliseconds after which a sleeping main thread looks again, and naps after which it asks whether all are still there. */
const NAP = 5;
const ROUND = 20;

/**
 * The main thread and others over one memory, two or more. Workers start with the first launch that has several blocks; until they are there, and if they
 * never come, the main thread runs the blocks itself. They keep no process alive. `onLost` is told when one that had begun has
 * ended: half a block may be done, and nobody knows which numbers are right.
 */
export const createTeam = (
  alone: Alone,
  first: Memory,
  threads: number,
  onLost: (error: DeviceError) => void = () => {},
): Pool => {
  let memory: Memory;
  let control: Int32Array;
  let numbers: Float64Array;
  let parts: Part[];
  let helpers: Helper[];
  let isStarted: boolean;

  const begin = (on: Memory): void => {
    memory = on;
    control = new Int32Array(memory.buffer, 0, 256);
    numbers = new Float64Array(memory.buffer, 4 * CONTROL.job, JOB_NUMBERS);
    [parts, helpers, isStarted] = [[], [], false];
  };
  begin(first);

  const lose = (): DeviceError => {
    const error = new DeviceLostError(
      "cpu: a worker thread has ended, and what it computed is lost with it",
      "open the device again; TAUGRAD_THREADS=1 does without such threads",
    );
    stop();
    onLost(error);
    return error;
  };
  const start = (): void => {
    isStarted = true;
    for (let thread = 1; thread < threads; thread++) {
      const helper = platform.startHelper(memory, thread, lose);
      if (helper === undefined) return;
      for (const part of parts) helper.tell(part);
      helpers.push(helper);
    }
  };

  const take = (blocks: number): number => {
    for (;;) {
      const left = Atomics.load(control, CONTROL.left);
      if (left <= 0) return -1;
      if (Atomics.compareExchange(control, CONTROL.left, left, left - 1) === left) return blocks - left;
    }
  };
  const awaitBlocks = (blocks: number): void => {
    for (let spins = SPINS; spins > 0; spins--) if (Atomics.load(control, CONTROL.done) === blocks) return;
    Atomics.store(control, CONTROL.waits, 1);
    for (let naps = 1; ; naps++) {
      const done = Atomics.load(control, CONTROL.done);
      if (done >= blocks) break;
      platform.sleep(control, CONTROL.done, done, NAP);
      if (naps % ROUND === 0 && helpers.some(({ hasEnded }) => hasEnded())) throw lose();
    }
    Atomics.store(control, CONTROL.waits, 0);
  };
  const stop = (): void => {
    Atomics.store(control, CONTROL.stop, 1);
    Atomics.store(control, CONTROL.left, -1);
    Atomics.notify(control, CONTROL.left);
    for (const helper of helpers) helper.close();
    helpers = [];
  };

  return {
    threads,
    learn: (part) => {
      parts.push(part);
      for (const helper of helpers) helper.tell(part);
    },
    run: (job) => {
      const { blocks } = job;
      if (blocks === 1 || job.isShort) return alone.run(job);
      if (!isStarted) start();
      numbers[JOB.fn] = job.kernel.id;
      numbers[JOB.blocks] = blocks;
      numbers[JOB.args] = job.args;
      numbers[JOB.stride] = job.stride;
      numbers[JOB.scratch] = job.scratch;
      numbers[JOB.scratchStride] = job.scratchStride;
      numbers[JOB.patches] = job.patches.length / 2;
      for (let i = 0; i < job.patches.length; i++) numbers[JOB.firstPatch + i] = job.patches[i];
      Atomics.store(control, CONTROL.done, 0);
      Atomics.store(control, CONTROL.left, blocks);
      if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.left, blocks - 1);
      let trap: unknown;
      for (let block = take(blocks); block >= 0; block = take(blocks)) {
        try {
          alone.runBlock(job, block);
        } catch (error) {
          trap = error;
        }
        Atomics.add(control, CONTROL.done, 1);
      }
      awaitBlocks(blocks);
      const failed = Atomics.exchange(control, CONTROL.failed, 0);
      if (trap !== undefined) throw trap;
      if (failed > 0) throw new DeviceError("cpu: a kernel failed on a worker thread");
    },
    move: (to) => {
      stop();
      alone.move(to);
      begin(to);
    },
    close: stop,
  };
};
