import { CONTROL, JOB, JOB_NUMBERS } from "./control.js";

/** Turns of the waiting loop before a thread goes to sleep: some tens of microseconds. */
export const SPINS = 20_000;

/**
 * What a worker thread runs, as text: so no bundler has to know of a second entry point. It waits for blocks, takes them one
 * by one, and sleeps when there are none for a while. The first thing that it does is to say that it has begun. `prelude`
 * gives it `memory`, `thread`, `greet()`, and `receive()`: the next part, for a function that it does not know;
 * `end` is what it does once it is told to stop.
 */
export const workerText = (prelude: string, end: string): string => `${prelude}
const LEFT = ${CONTROL.left}, DONE = ${CONTROL.done}, SLEEPERS = ${CONTROL.sleepers}, WAITS = ${CONTROL.waits};
const FAILED = ${CONTROL.failed}, STOP = ${CONTROL.stop};
let words = new Int32Array(memory.buffer);
const job = new Float64Array(memory.buffer, 4 * ${CONTROL.job}, ${JOB_NUMBERS});
const functions = [];
greet();
const functionOf = (id) => {
  while (functions.length <= id) {
    const { module, names } = receive();
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    for (const name of names) functions.push(exports[name]);
  }
  return functions[id];
};
const run = (block) => {
  const args = job[${JOB.args}] + block * job[${JOB.stride}];
  const scratch = job[${JOB.scratch}] + thread * job[${JOB.scratchStride}];
  const end = ${JOB.firstPatch} + 2 * job[${JOB.patches}];
  if (args + job[${JOB.stride}] > words.byteLength) words = new Int32Array(memory.buffer);
  for (let i = ${JOB.firstPatch}; i < end; i += 2) {
    const at = (args + job[i]) / 4, address = scratch + job[i + 1];
    words[at] = address;
    words[at + 1] = Math.floor(address / 2 ** 32);
  }
  functionOf(job[${JOB.fn}])(args);
};
const take = () => {
  for (;;) {
    const left = Atomics.load(words, LEFT);
    if (left <= 0) return -1;
    if (Atomics.compareExchange(words, LEFT, left, left - 1) === left) return job[${JOB.blocks}] - left;
  }
};
while (Atomics.load(words, STOP) === 0) {
  for (let spins = ${SPINS}; spins > 0 && Atomics.load(words, LEFT) === 0; spins--);
  if (Atomics.load(words, LEFT) === 0) {
    Atomics.add(words, SLEEPERS, 1);
    if (Atomics.load(words, STOP) === 0) Atomics.wait(words, LEFT, 0);
    Atomics.sub(words, SLEEPERS, 1);
  }
  for (let block = take(); block >= 0; block = take()) {
    try {
      run(block);
    } catch {
      Atomics.add(words, FAILED, 1);
    }
    Atomics.add(words, DONE, 1);
    if (Atomics.load(words, WAITS) === 1) Atomics.notify(words, DONE);
  }
}
${end}
`;
