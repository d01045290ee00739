import { debugs } from "../../core/debug.js";
import { naming } from "../../core/errors.js";
import { DeviceError, type HostData, type Program } from "../../core/index.js";
import { memoryOf } from "../plan/plan.js";
import type { Plan } from "../plan/steps.js";
import { PADDING } from "./allocator.js";
import type { Compiler } from "./compiler.js";
import type { Heap } from "./heap.js";
import { isWorthThreads, type Launch, writeWord } from "./launch.js";
import { launchesOf } from "./steps.js";
import { MOST_PATCHES } from "./threads/control.js";
import type { Job, Pool } from "./threads/pool.js";
import { WORD } from "./wasm/expression.js";

/** Writes host numbers of any kind into device memory. */
export const writeNumbers = (heap: Heap, address: number, data: HostData): void => {
  if (data instanceof Uint16Array) {
    new Uint16Array(heap.memory.buffer).set(data, address / 2);
    return;
  }
  const isFloat = data instanceof Float32Array || data instanceof Float64Array;
  (isFloat ? heap.floats() : heap.words()).set(data, address / 4);
};

/** What a program needs from its device. */
export interface ProgramHost {
  readonly heap: Heap;
  readonly compiler: Compiler;
  readonly pool: Pick<Pool, "run" | "threads">;
  /** Address of memory that launches share, at least this long. */
  readonly scratch: (bytes: number) => number;
  readonly onLaunch: (count: number) => void;
}

/** A word of the program's argument blocks that is an address, set at the beginning of a run. */
interface Patch {
  /** Position among the argument words. */
  readonly at: number;
  readonly word: { readonly buffer: number; readonly bytes: number } | { readonly common: number };
}

/** Runs of one program: outputs by address, given the inputs by address. */
export interface CpuProgram {
  readonly memory: Program["memory"];
  readonly launches: number;
  readonly run: (inputs: readonly number[]) => number[];
  readonly free: () => void;
}

/** Bytes of scratch memory in whole cache lines, so that threads do not share them. */
const inLines = (bytes: number): number => Math.ceil((bytes + PADDING) / 64) * 64;

/** Bytes from which on a slot is allocated by itself. */
const LARGE_SLOT = 65_536;

/** A launch with its label, its words laid down: where its blocks begin, and which of their words are scratch addresses. */
interface Placed {
  readonly launch: Launch & { readonly label: string };
  /** In words. */
  readonly from: number;
  readonly stride: number;
  /** Pairs, as in Job. */
  readonly scratch: readonly number[];
}

/** Lays the argument blocks of all launches one after the other. */
const place = (launches: readonly Placed["launch"][]) => {
  const words: number[] = [];
  const patches: Patch[] = [];
  const placed = launches.map((launch): Placed => {
    const from = words.length;
    const stride = launch.blocks.reduce((most, { length }) => Math.max(most, length), 0);
    const scratch: number[] = [];
    launch.blocks.forEach((block, b) => {
      block.forEach((word, i) => {
        const at = words.push(typeof word === "number" ? word : 0) - 1;
        if (typeof word === "number") return;
        if (!("scratch" in word)) patches.push({ at, word });
        else if (b === 0) scratch.push(WORD * i, word.scratch);
      });
      for (let i = block.length; i < stride; i++) words.push(0);
    });
    if (scratch.length > 2 * MOST_PATCHES)
      throw new DeviceError(`cpu: ${launch.kernel.key} has too many scratch words`);
    return { launch, from, stride, scratch };
  });
  return { words, patches, placed };
};

/** Resolves a plan: kernels compiled, argument blocks written but for the addresses that change from run to run. */
export const createProgram = (plan: Plan, { heap, compiler, pool, scratch, onLaunch }: ProgramHost): CpuProgram => {
  const launches = plan.steps.flatMap((step) =>
    launchesOf(step).map((launch) => ({ ...launch, label: step.kind === "call" ? step.name : step.kind })),
  );
  const compiled = compiler.compile(launches.map(({ kernel }) => kernel));
  const most = (bytesOf: (launch: Launch) => number | undefined) =>
    launches.reduce((bytes, launch) => Math.max(bytes, bytesOf(launch) ?? 0), 0);
  const commonBytes = inLines(most(({ common }) => common));
  const threadBytes = inLines(most(({ scratch: bytes }) => bytes));
  const { words, patches, placed } = place(launches);
  // Small slots share the first block, so that a run allocates little; large ones find room of their own.
  const blockBytes = [0];
  const slotPlaces = plan.slots.map((bytes) => {
    if (bytes >= LARGE_SLOT) return { block: blockBytes.push(bytes) - 1, offset: 0 };
    const offset = blockBytes[0];
    blockBytes[0] += inLines(bytes);
    return { block: 0, offset };
  });
  /** The largest tensor that lies in a block. */
  const largestIn = (block: number): string =>
    plan.buffers.reduce(
      (largest, buffer) => {
        const isThere = buffer.role.kind === "temporary" && slotPlaces[buffer.role.slot].block === block;
        return isThere && buffer.bytes > largest.bytes ? buffer : largest;
      },
      { bytes: -1, of: "temporaries" },
    ).of;
  const owned: number[] = [];
  const own = (bytes: number): number => {
    const address = heap.allocate(bytes);
    owned.push(address);
    return address;
  };
  const disown = (): void => {
    for (const address of owned.splice(0)) heap.release(address);
  };
  const argumentBytes = WORD * words.length;
  let args: number;
  let addresses: number[];
  try {
    args = own(argumentBytes);
    const memory = heap.words();
    words.forEach((word, i) => {
      writeWord(memory, args + WORD * i, word);
    });
    addresses = plan.buffers.map(({ role, bytes, of }) => {
      if (role.kind !== "constant") return 0;
      const address = naming(
        () => of,
        () => own(bytes),
      );
      writeNumbers(heap, address, role.data);
      return address;
    });
  } catch (error) {
    disown();
    throw error;
  }
  const jobs = placed.map(
    ({ launch, from, stride, scratch: patched }, i): Job => ({
      kernel: compiled[i],
      blocks: launch.blocks.length,
      isShort: launch.work !== undefined && !isWorthThreads(launch.work),
      args: args + WORD * from,
      stride: WORD * stride,
      scratch: 0,
      scratchStride: threadBytes,
      patches: patched,
    }),
  );

  const resolve = (inputs: readonly number[], taken: readonly number[], outputs: number[]): void => {
    plan.buffers.forEach(({ role, bytes, of }, i) => {
      if (role.kind === "input") addresses[i] = inputs[role.index];
      else if (role.kind === "temporary") {
        const { block, offset } = slotPlaces[role.slot];
        addresses[i] = taken[block] + offset + role.offset;
      } else if (role.kind === "guest") addresses[i] = addresses[role.host] + role.offset;
      else if (role.kind === "output" && role.donor !== undefined) addresses[i] = inputs[role.donor];
      else if (role.kind === "output") {
        addresses[i] = naming(
          () => of,
          () => heap.allocate(bytes),
        );
        outputs.push(addresses[i]);
      }
    });
  };
  const patch = (common: number): void => {
    const memory = heap.words();
    for (const { at, word } of patches) {
      const address = "buffer" in word ? addresses[word.buffer] + word.bytes : common + word.common;
      writeWord(memory, args + WORD * at, address);
    }
    for (const job of jobs) job.scratch = common + commonBytes;
  };
  const launchAll = (): void => {
    for (let i = 0; i < jobs.length; i++) {
      const job = jobs[i];
      if (job.blocks === 1 && job.patches.length === 0) job.kernel.run(job.args);
      else pool.run(job);
    }
  };

  const memory = memoryOf(plan);
  // Asked once: reading the environment takes as long as a launch.
  const isTimed = debugs("timings");
  const scratchBytes = commonBytes + pool.threads * threadBytes;
  let isFree = false;
  return {
    memory: {
      ...memory,
      constants: memory.constants + argumentBytes,
      temporaries: memory.temporaries + scratchBytes,
      peak: memory.peak + argumentBytes + scratchBytes,
    },
    launches: jobs.length,
    run: (inputs) => {
      if (isFree) throw new DeviceError("cpu: a freed program was run");
      const taken: number[] = [];
      const outputs: number[] = [];
      try {
        for (const [block, bytes] of blockBytes.entries())
          taken.push(
            naming(
              () => largestIn(block),
              () => heap.allocate(bytes),
            ),
          );
        resolve(inputs, taken, outputs);
        patch(scratch(scratchBytes));
        if (isTimed) printTimings(jobs, launches, pool);
        else launchAll();
        onLaunch(jobs.length);
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
  jobs: readonly Job[],
  launches: readonly { readonly label: string }[],
  pool: Pick<Pool, "run">,
): void => {
  const spent = new Map<string, { ms: number; launches: number }>();
  jobs.forEach((job, i) => {
    const before = performance.now();
    pool.run(job);
    const { label } = launches[i];
    const known = spent.get(label) ?? { ms: 0, launches: 0 };
    spent.set(label, { ms: known.ms + performance.now() - before, launches: known.launches + 1 });
  });
  const lines = [...spent]
    .sort(([, a], [, b]) => b.ms - a.ms)
    .map(([label, { ms, launches: n }]) => `${label} ${ms.toFixed(2)} ms (${n})`);
  console.error(`cpu: ${lines.join(", ")}`);
};
