import { DeviceError, InputError, type Planner, ShapeError } from "../../core/index.js";
import { layersTogether } from "../fit/fit.js";
import { plans } from "../fit/plans.js";
import { firstThatFits, type MemoryValues } from "../fit/remedies.js";
import type { TrainingValues } from "../options/takes.js";
import type { Choice } from "../recipe.js";
import type { Voice } from "../voice.js";
import { shownBytes } from "./memory-table.js";
import { type Outline, type Rehearsed, rehearse } from "./rehearsal.js";
import { rememberPlans } from "./remember-plans.js";

/** Bytes that are assumed where neither device nor keys tell. */
const ASSUMED = 8 * 2 ** 30;
/** Share of the memory that a plan may fill: allocators round up and leave gaps. */
const FILLED = 0.95;
/** Where nothing fits, layers' inputs are computed again too if it takes less than this share: a sixth more work is a price. */
const WORTH = 0.95;

const mend = (remedy: string | undefined): string =>
  remedy === undefined ? "no change of keys makes it fit" : `this would fit: ${remedy}`;

/** What makes a run fit, in words; undefined if nothing does. Rows are taken to be as long as the longest. */
const remedyFor = async <V extends TrainingValues, T>(
  { recipe, settings, ranks }: Outline<V, T>,
  planner: Planner,
  memory: number,
): Promise<string | undefined> => {
  const { values, config, rows } = settings;
  const longest = (rows.lengths ?? new Int32Array()).reduce((most, length) => Math.max(most, length), 0);
  const wanted = { ...values, ranks, max_length: Math.min(values.max_length, longest || values.max_length) };
  return firstThatFits<MemoryValues>(wanted, async (changed) => {
    const fit = await plans[recipe.label](changed, config, planner);
    return "rehearsed" in fit && fit.rehearsed.peak <= FILLED * memory;
  });
};

/** A choice, and the run that follows from it. */
export interface Chosen {
  readonly choice: Choice;
  readonly rehearsed: Rehearsed;
}

/**
 * What keys that say auto stand for: the first of these that fits the device's memory. Nothing is recomputed and the
 * reference model stays; nothing is recomputed and the reference model is asked beforehand; as few layers as possible are
 * recomputed; all are; all are, and their inputs but for one of several too. Told by a note, unless it is the first.
 * Errors: InputError that names what would fit, where the device tells its memory and the least of these does not, and for a
 * tensor that it cannot hold.
 */
export const choose = async <V extends TrainingValues, T>(
  planned: Outline<V, T>,
  real: Planner,
  out: Voice,
): Promise<Chosen> => {
  const planner = rememberPlans(real);
  const { recipe, settings } = planned;
  const { values, config } = settings;
  const { gradient_checkpointing: recomputes, device_memory } = values;
  const { precompute = false } = recipe;
  const fixed = recomputes === "auto" ? undefined : recomputes ? config.layers : 0;
  const memory = device_memory !== undefined ? device_memory * 2 ** 30 : (planner.limits?.memory ?? ASSUMED);
  const attempt = async (checkpoint: number, beforehand: boolean, together = 1): Promise<Chosen> => {
    const choice = { checkpoint, together, precompute: beforehand };
    try {
      return { choice, rehearsed: await rehearse(planned, choice, planner) };
    } catch (error) {
      // A tensor of 2³¹ elements, or one that no buffer or kernel takes.
      if (!(error instanceof DeviceError || error instanceof ShapeError)) throw error;
      const [what] = error.message.split("\n");
      throw new InputError(`${what}; ${mend(await remedyFor(planned, planner, memory))}`);
    }
  };
  const fits = ({ rehearsed }: Chosen): boolean => rehearsed.peak <= FILLED * memory;

  let chosen = await attempt(fixed ?? 0, precompute === true);
  if (!fits(chosen) && precompute === "auto" && chosen.rehearsed.asksReference)
    chosen = await attempt(fixed ?? 0, true);
  if (!fits(chosen) && fixed === undefined) {
    const { precompute: beforehand } = chosen.choice;
    chosen = await attempt(config.layers, beforehand);
    // The fewest that fit, between what does not fit and what does.
    for (let [low, high] = [0, config.layers]; fits(chosen) && high - low > 1; ) {
      const middle = (low + high) >> 1;
      const between = await attempt(middle, beforehand);
      if (fits(between)) [chosen, high] = [between, middle];
      else low = middle;
    }
  }
  const together = layersTogether(config);
  if (!fits(chosen) && recomputes !== false && together > 1) {
    const deeper = await attempt(config.layers, chosen.choice.precompute, together);
    if (fits(deeper) || deeper.rehearsed.peak < WORTH * chosen.rehearsed.peak) chosen = deeper;
  }
  const { choice, rehearsed } = chosen;
  if (precompute === "auto" && choice.precompute)
    out.note("precompute_ref_log_probs: auto: the reference model is asked before training");
  if (fixed === undefined && choice.checkpoint > 0)
    out.note(`gradient_checkpointing: auto: ${choice.checkpoint} of ${config.layers} layers are recomputed`);
  if (choice.together > 1)
    out.note(`gradient_checkpointing: inputs of every ${choice.together} layers but the first are computed again too`);
  const isAssumed = device_memory === undefined && planner.limits?.memory === undefined;
  const takes = `the run takes ${shownBytes(rehearsed.peak)} of memory`;
  if (isAssumed && !fits(chosen))
    out.note(
      `${takes}; the device does not tell what it has, so ${shownBytes(memory)} were assumed: device_memory sets it`,
    );
  if (!isAssumed && rehearsed.peak > memory) {
    const { bytes, of } = rehearsed.largest;
    const { memory: real = Number.POSITIVE_INFINITY, remedy: raise } = planner.limits ?? {};
    const remedy = await remedyFor(planned, planner, memory);
    const said = [
      `${takes}, and there are ${shownBytes(memory)}`,
      `the largest tensor is ${of}, ${bytes} bytes`,
      mend(remedy),
      ...(raise === undefined ? [] : [raise]),
    ].join("; ");
    if (rehearsed.peak > real && !values.dry_run) throw new InputError(`${planner.name}: ${said}`);
    out.note(`warning: ${said}`);
  }
  return chosen;
};
