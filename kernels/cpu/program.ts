import { debugs } from "../../core/debug.js";
import { DeviceError, type HostData, type Program } from "../../core/index.js";
import { memoryOf } from "../plan/plan.js";
import type { Plan } from "../plan/steps.js";
import type { Compiled, Compiler } from "./compiler.js";
import type { Heap } from "./heap.js";
import type { Word } from "./launch.js";
import { launchesOf } from "./steps.js";

/** Writes host numbers of any kind into device memory. */
export const writeNumbers = (heap: Heap, address: number, data: HostData): void => {
  const isFloat = data instanceof Float32Array || data instanceof Float64Array;
  (isFloat ? heap.floats() : heap.words()).set(data, address / 4);
};

/** What a program needs from its device. */
export interface ProgramHost {
  readonly heap: Heap;
  readonly compiler: Compiler;
  /** Address of memory that launches share, at least this long. */
  readonly scratch: (bytes: number) => number;
  readonly onLaunch: (count: number) => void;
}

/** A word of the program's argument blocks that is an address, set at the beginning of a run. */
interface Patch {
  /** Position among the argument words. */
  readonly at: number;
  readonly word: Exclude<Word, number>;
}

/** Runs of one program: outputs by address, given the inputs by address. */
export interface CpuProgram {
  readonly memory: Program["memory"];
  readonly run: (inputs: readonly number[]) => number[];
  readonly free: () => void;
}

/** Resolves a plan: kernels compiled, argument blocks written but for the addresses that change from run to run. */
export const createProgram = (plan: Plan, { heap, compiler, scratch, onLaunch }: ProgramHost): CpuProgram => {
  const launches = plan.steps.flatMap((step) =>
    launchesOf(step).map((launch) => ({ ...launch, label: step.kind === "call" ? step.name : step.kind })),
  );
  const functions = compiler.compile(launches.map(({ kernel }) => kernel));
  const scratchBytes = launches.reduce((most, { scratch: bytes }) => Math.max(most, bytes), 0);

  const words: number[] = [];
  const patches: Patch[] = [];
  const blocks = launches.map((launch) => {
    const from = words.length;
    for (const word of launch.words)
      if (typeof word === "number") words.push(word);
      else patches.push({ at: words.push(0) - 1, word });
    return from;
  });
  const owned: number[] = [];
  const own = (bytes: number): number => {
    const address = heap.allocate(bytes);
    owned.push(address);
    return address;
  };
  const disown = (): void => {
    for (const address of owned.splice(0)) heap.release(address);
  };
  let args: number;
  let addresses: number[];
  try {
    args = own(4 * words.length);
    heap.words().set(words, args / 4);
    addresses = plan.buffers.map(({ role, bytes }) => {
      if (role.kind !== "constant") return 0;
      const address = own(bytes);
      writeNumbers(heap, address, role.data);
      return address;
    });
  } catch (error) {
    disown();
    throw error;
  }
  const blockAddresses = blocks.map((from) => args + 4 * from);

  const resolve = (inputs: readonly number[], slots: readonly number[], outputs: number[]): void => {
    plan.buffers.forEach(({ role, bytes }, i) => {
      if (role.kind === "input") addresses[i] = inputs[role.index];
      else if (role.kind === "temporary") addresses[i] = slots[role.slot];
      else if (role.kind === "output") {
        addresses[i] = heap.allocate(bytes);
        outputs.push(addresses[i]);
      }
    });
  };
  const patch = (scratchAddress: number): void => {
    const memory = heap.words();
    for (const { at, word } of patches)
      memory[args / 4 + at] = "buffer" in word ? addresses[word.buffer] + word.bytes : scratchAddress + word.scratch;
  };
  const launchAll = (): void => {
    for (let i = 0; i < functions.length; i++) functions[i](blockAddresses[i]);
  };

  let isFree = false;
  return {
    memory: memoryOf(plan),
    run: (inputs) => {
      if (isFree) throw new DeviceError("cpu: a freed program was run");
      const taken: number[] = [];
      const outputs: number[] = [];
      try {
        for (const bytes of plan.slots) taken.push(heap.allocate(bytes));
        resolve(inputs, taken, outputs);
        patch(scratch(scratchBytes));
        if (debugs("timings")) printTimings(functions, blockAddresses, launches);
        else launchAll();
        onLaunch(functions.length);
      } catch (error) {
        for (const address of outputs) heap.release(address);
        throw error;
      } finally {
        for (const address of taken) heap.release(address);
      }
      return plan.outputs.map((buffer) => addresses[buffer]);
    },
    free: () => {
      if (isFree) return;
      isFree = true;
      disown();
    },
  };
};

/** Runs the launches one by one and prints milliseconds and number of launches by kind of step. */
const printTimings = (
  functions: readonly Compiled[],
  blocks: readonly number[],
  launches: readonly { readonly label: string }[],
): void => {
  const spent = new Map<string, { ms: number; launches: number }>();
  functions.forEach((fn, i) => {
    const before = performance.now();
    fn(blocks[i]);
    const { label } = launches[i];
    const known = spent.get(label) ?? { ms: 0, launches: 0 };
    spent.set(label, { ms: known.ms + performance.now() - before, launches: known.launches + 1 });
  });
  const lines = [...spent]
    .sort(([, a], [, b]) => b.ms - a.ms)
    .map(([label, { ms, launches: n }]) => `${label} ${ms.toFixed(2)} ms (${n})`);
  console.error(`cpu: ${lines.join(", ")}`);
};
