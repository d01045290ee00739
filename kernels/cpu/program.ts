import { naming } from "../../core/errors.js";
import { DeviceError, type HostData, type Program } from "../../core/index.js";
import { cutting } from "../plan/finals.js";
import { memoryOf } from "../plan/plan.js";
import type { Plan } from "../plan/steps.js";
import { PADDING } from "./allocator.js";
import { place } from "./blocks.js";
import type { Compiler } from "./compiler.js";
import type { Heap } from "./heap.js";
import { isWorthThreads, type Launch, writeWord } from "./launch.js";
import { launchesOf } from "./steps.js";
import type { Job, Pool } from "./threads/pool.js";
import type { printTimings } from "./timings.js";
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
  /** Runs launches in place of `pool`, and prints how long each took. */
  readonly timed?: typeof printTimings;
}

/** An output that is final, and where it lies. */
export interface CpuFinal {
  readonly output: number;
  readonly address: number;
}

/** Runs of one program: outputs by address, given the inputs by address. */
export interface CpuProgram {
  readonly memory: Program["memory"];
  readonly launches: number;
  readonly run: (inputs: readonly number[]) => number[];
  /** See `Program`. */
  readonly inParts?: (inputs: readonly number[], bytes: number) => Generator<readonly CpuFinal[], number[]>;
  readonly free: () => void;
}

/** Bytes of scratch memory in whole cache lines, so that threads do not share them. */
const inLines = (bytes: number): number => Math.ceil((bytes + PADDING) / 64) * 64;

/** Milliseconds after which a run in parts gives its caller a turn. */
const TURN = 5;

/** Bytes from which on a slot is allocated by itself. */
const LARGE_SLOT = 65_536;

/** Resolves a plan: kernels compiled, argument blocks written but for the addresses that change from run to run. */
export const createProgram = (
  plan: Plan,
  { heap, compiler, pool, scratch, onLaunch, timed }: ProgramHost,
): CpuProgram => {
  const ofSteps = plan.steps.map((step) =>
    launchesOf(step).map((launch) => ({ ...launch, label: step.kind === "call" ? step.name : step.kind })),
  );
  const launches = ofSteps.flat();
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
  let constants: number[];
  try {
    args = own(argumentBytes);
    const memory = heap.words();
    words.forEach((word, i) => {
      writeWord(memory, args + WORD * i, word);
    });
    constants = plan.buffers.map(({ role, bytes, of }) => {
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

  /** How many launches the first steps have. */
  const launchesBefore = [0];
  for (const { length } of ofSteps) launchesBefore.push(launchesBefore[launchesBefore.length - 1] + length);

  const resolve = (inputs: readonly number[], taken: readonly number[], fresh: (number | undefined)[]): number[] => {
    const addresses = constants.slice();
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
        fresh[role.index] = addresses[i];
      }
    });
    return addresses;
  };
  /** Where what is patched lay when it was last written down. */
  const written: number[] = [];
  const patch = (addresses: readonly number[]): void => {
    const common = scratch(scratchBytes);
    const memory = heap.words();
    patches.forEach(({ buffer, places }, i) => {
      const address = buffer === undefined ? common : addresses[buffer];
      if (written[i] === address) return;
      written[i] = address;
      for (const { at, bytes } of places) writeWord(memory, args + WORD * at, address + bytes);
    });
    for (const job of jobs) job.scratch = common + commonBytes;
  };
  const launch = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const job = jobs[i];
      if (job.blocks === 1 && job.patches.length === 0) job.kernel.run(job.args);
      else pool.run(job);
    }
  };
  /** Steps up to a cut, with turns of the caller where they take long. */
  function* steps(from: number, to: number, addresses: readonly number[]): Generator<readonly CpuFinal[], void> {
    let until = performance.now() + TURN;
    for (let step = from; step < to; step++) {
      launch(launchesBefore[step], launchesBefore[step + 1]);
      if (step + 1 === to || performance.now() < until) continue;
      yield [];
      patch(addresses);
      until = performance.now() + TURN;
    }
  }

  const cutsFor = cutting(plan);
  const memory = memoryOf(plan);
  const scratchBytes = commonBytes + pool.threads * threadBytes;
  let [isFree, running] = [false, 0];

  /** What a run holds until it ends: blocks of temporaries, and fresh outputs, by position, that nobody has been told of. */
  interface Held {
    readonly taken: number[];
    readonly fresh: (number | undefined)[];
  }
  const begin = (): Held => {
    if (isFree) throw new DeviceError("cpu: a freed program was run");
    running++;
    return { taken: [], fresh: [] };
  };
  /** The addresses of all buffers, as they stand in the argument blocks from now on. */
  const placeAll = ({ taken, fresh }: Held, inputs: readonly number[]): number[] => {
    for (const [block, bytes] of blockBytes.entries())
      taken.push(
        naming(
          () => largestIn(block),
          () => heap.allocate(bytes),
        ),
      );
    const addresses = resolve(inputs, taken, fresh);
    patch(addresses);
    return addresses;
  };
  const finish = ({ fresh }: Held, addresses: readonly number[]): number[] => {
    onLaunch(jobs.length);
    fresh.length = 0;
    return plan.outputs.map((buffer) => addresses[buffer]);
  };
  const end = ({ taken, fresh }: Held): void => {
    for (const address of fresh) if (address !== undefined) heap.release(address);
    for (const address of taken) heap.release(address);
    if (--running === 0 && isFree) disown();
  };

  const run = (inputs: readonly number[]): number[] => {
    const held = begin();
    try {
      const addresses = placeAll(held, inputs);
      if (timed !== undefined) timed(jobs, launches, pool);
      else launch(0, jobs.length);
      return finish(held, addresses);
    } finally {
      end(held);
    }
  };

  function* inParts(inputs: readonly number[], bytes: number): Generator<readonly CpuFinal[], number[]> {
    const held = begin();
    try {
      const addresses = placeAll(held, inputs);
      let done = 0;
      for (const cut of cutsFor(bytes)) {
        yield* steps(done, cut.steps, addresses);
        done = cut.steps;
        for (const output of cut.outputs) held.fresh[output] = undefined;
        yield cut.outputs.map((output) => ({ output, address: addresses[plan.outputs[output]] }));
        patch(addresses);
      }
      yield* steps(done, plan.steps.length, addresses);
      return finish(held, addresses);
    } finally {
      end(held);
    }
  }

  return {
    memory: {
      ...memory,
      constants: memory.constants + argumentBytes,
      temporaries: memory.temporaries + scratchBytes,
      peak: memory.peak + argumentBytes + scratchBytes,
    },
    launches: jobs.length,
    run,
    // A run that is timed is told of as a whole.
    inParts: timed === undefined ? inParts : undefined,
    free: () => {
      if (isFree) return;
      isFree = true;
      if (running === 0) disown();
    },
  };
};
