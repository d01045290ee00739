import { type Device, InputError, OutOfMemoryError } from "../../core/index.js";
import { openWebgpu } from "../../kernels/index.js";
import { drainOf } from "../device.js";

/** One number of a part, as run.mjs gets it. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What should be known beside it. */
  readonly note?: string;
  /** Names of PyTorch's figures for the same thing, in what torch_baseline.py prints. */
  readonly peers?: readonly string[];
}

/** What run.mjs asks of a part: the process's argument, as JSON. */
interface Asked {
  readonly adapter?: number | string;
  /** How long it may take. */
  readonly seconds: number;
  /** Which of several, where a part has several. */
  readonly of?: string;
}

export interface Part extends Asked {
  readonly device: Device;
  /** Small sizes: the adapter runs on the CPU. */
  readonly software: boolean;
  readonly drain: () => Promise<unknown>;
  /** Seconds until the part must have ended. */
  readonly left: () => number;
}

/** Hands a number to run.mjs, which writes it down at once: what was measured stays, whatever comes after. */
export const figure = (
  name: string,
  value: number,
  unit: string,
  { note, peers }: Pick<Figure, "note" | "peers"> = {},
): void => {
  const rounded = Number(value.toPrecision(4));
  console.log(`  ${name}: ${rounded} ${unit}${note === undefined ? "" : ` (${note})`}`);
  process.send?.({ name, value: rounded, unit, note, peers } satisfies Figure);
};

/** Says what is not measured, and why. */
export const skipped = (name: string, why: string): void => {
  console.log(`  ${name}: not measured: ${why}`);
  process.send?.({ name, why });
};

/** Opens the adapter, runs the part, closes it. */
export const part = async (work: (part: Part) => Promise<void>): Promise<void> => {
  const asked: Asked = JSON.parse(process.argv[2] ?? "{}");
  if (!(asked.seconds > 0)) throw new InputError("a part is started by bench/gpu.mjs");
  const begun = performance.now();
  const device = await openWebgpu({ adapter: asked.adapter });
  await work({
    ...{ ...asked, device, drain: drainOf(device), software: device.description.includes("software adapter") },
    left: () => asked.seconds - (performance.now() - begun) / 1e3,
  });
  await device.close();
};

const seconds = async (run: () => void, times: number, drain: () => Promise<unknown>): Promise<number> => {
  const before = performance.now();
  for (let i = 0; i < times; i++) run();
  await drain();
  return (performance.now() - before) / 1e3;
};

export interface Timed {
  /** Seconds of the first call: with compiling. */
  readonly first: number;
  /** Median seconds of a call afterwards. */
  readonly median: number;
}

/** Times calls that are queued together, so that a short kernel is not timed by its queueing. Takes about `most` seconds. */
export const timed = async (run: () => void, drain: () => Promise<unknown>, most = 2): Promise<Timed> => {
  const first = await seconds(run, 1, drain);
  let times = 1;
  let last = await seconds(run, times, drain);
  while (last < 0.1 && times < 256) {
    times *= 2;
    last = await seconds(run, times, drain);
  }
  const all = [last / times];
  for (let spent = last; spent < most && all.length < 7; spent += last) {
    last = await seconds(run, times, drain);
    all.push(last / times);
  }
  all.sort((a, b) => a - b);
  return { first, median: all[all.length >> 1] };
};

export const isOutOfMemory = (error: unknown): boolean => error instanceof OutOfMemoryError;
