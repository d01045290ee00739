/** What an alignment takes of a device's memory, planned before any of it is taken. */
import { type Device, InputError, OutOfMemoryError, upload } from "../../core/index.js";
import type { Model } from "../../models/index.js";
import { shownBytes, treeBytes } from "../../run/dry-run/memory-table.js";
import { planningDevice } from "../../run/dry-run/planning-device.js";
import { shapeParams } from "../../run/dry-run/shape-model.js";
import { align, type Prepared } from "./align.js";
import type { Alignment } from "./messages.js";

/** Share of the memory that a plan may fill: allocators round up and leave gaps. */
const FILLED = 0.95;
/** The second step finds what the first has left. */
const STEPS = 2;

/** Bytes that a device holds at the busiest moment of an alignment on the longest of its rows; none where no buffer is large enough. */
const peakOf = async (ready: Prepared, device: Device): Promise<number> => {
  const planning = planningDevice(device);
  const shapeOf = ({ params, ...model }: Model): Model => {
    const shapes = shapeParams(model.config, (name) => params[name]?.dtype ?? "f32");
    return { ...model, params: upload(shapes, planning) };
  };
  const { model, base, alignment, taught } = ready;
  const { batch, maxLength } = alignment;
  const planned = {
    ...{ ...ready, model: shapeOf(model), base: base && shapeOf(base) },
    ...{ batches: taught.fullest(batch, maxLength), alignment: { ...alignment, steps: STEPS } },
  };
  try {
    await align(planned, planning, { onStep: () => {}, isStopped: async () => false });
    return planning.stats().peakBytes;
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    return Number.POSITIVE_INFINITY;
  }
};

/** Changes that save memory, those first that save most where a model is large. */
const CHANGES: readonly {
  readonly to: (alignment: Alignment) => Partial<Alignment> | undefined;
  readonly said: (changed: Alignment) => string;
}[] = [
  {
    to: ({ lora, optim }) => (lora || optim !== "adamw" ? undefined : { lora: true }),
    said: () => "only an adapter",
  },
  {
    to: ({ batch, loss }) => (batch > 2 ? { batch: loss === "kto" ? 2 : 1 } : undefined),
    said: ({ batch }) => `${batch} a step`,
  },
  {
    to: ({ maxLength }) => (maxLength > 128 ? { maxLength: 128 } : undefined),
    said: ({ maxLength }) => `at most ${maxLength} tokens`,
  },
];

/**
 * An alignment as it fits into a device's memory, where that is known: as it is, or with all layers computed again.
 * Errors: InputError that tells what it would take, and what would fit.
 */
export const fitted = async (ready: Prepared, device: Device): Promise<Prepared> => {
  const { memory = Number.POSITIVE_INFINITY } = device.limits ?? {};
  const { model, base } = ready;
  /** What lies there beside the models: conversations. */
  const others = Math.max(0, device.stats().liveBytes - treeBytes(model.params) - treeBytes(base?.params));
  const room = FILLED * memory - others;
  const peak = await peakOf(ready, device);
  if (peak <= room) return ready;
  const lean = { ...ready, recomputed: model.config.layers };
  const leanPeak = await peakOf(lean, device);
  if (leanPeak <= room) return lean;
  let { alignment } = ready;
  const said: string[] = [];
  for (const { to, said: say } of CHANGES) {
    const change = to(alignment);
    if (change === undefined) continue;
    alignment = { ...alignment, ...change };
    said.push(say(alignment));
    const less = await peakOf({ ...lean, alignment }, device);
    if (less <= room)
      throw new InputError(`${takes(leanPeak, memory)}; with ${said.join(", ")} it takes ${shownBytes(less)}`);
  }
  throw new InputError(`${takes(leanPeak, memory)}, whatever is changed: choose a smaller model`);
};

const takes = (bytes: number, memory: number): string =>
  bytes === Number.POSITIVE_INFINITY
    ? "this takes larger pieces of memory than the device gives"
    : `this takes ${shownBytes(bytes)} of memory, and there are ${shownBytes(memory)}`;
