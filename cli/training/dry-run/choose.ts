import type { Device } from "../../../core/index.js";
import type { Output } from "../../output.js";
import type { TrainingValues } from "../checks/check.js";
import type { Choice } from "../recipe.js";
import { shownBytes } from "./memory-table.js";
import { type Planned, type Rehearsed, rehearse } from "./rehearsal.js";

/** Bytes that are assumed where neither device nor keys tell. */
const ASSUMED = 8 * 2 ** 30;
/** Share of the memory that a plan may fill: allocators round up and leave gaps. */
const FILLED = 0.95;

const MENDS =
  "make per_device_train_batch_size or max_length smaller, set optim_state_dtype: bf16 or offload: optimizer, or use_peft";

/** A choice, and the run that follows from it, if it was rehearsed. */
export interface Chosen {
  readonly choice: Choice;
  readonly rehearsed?: Rehearsed;
}

/**
 * What keys that say auto stand for: the first of these that fits the device's memory. Nothing is recomputed and the
 * reference model stays; nothing is recomputed and the reference model is asked beforehand; as few layers as possible are
 * recomputed; all are. Told by a note, unless it is the first.
 */
export const choose = async <V extends TrainingValues, T>(
  planned: Planned<V, T>,
  real: Device,
  out: Output,
): Promise<Chosen> => {
  const { recipe, settings } = planned;
  const { values, config } = settings;
  const { gradient_checkpointing: recomputes, device_memory } = values;
  const { precompute = false } = recipe;
  const fixed = recomputes === "auto" ? undefined : recomputes ? config.layers : 0;
  if (fixed !== undefined && precompute !== "auto") return { choice: { checkpoint: fixed, precompute } };

  const memory = device_memory !== undefined ? device_memory * 2 ** 30 : (real.limits?.memory ?? ASSUMED);
  const attempt = async (checkpoint: number, beforehand: boolean): Promise<Required<Chosen>> => {
    const choice = { checkpoint, precompute: beforehand };
    return { choice, rehearsed: await rehearse(planned, choice, real, out) };
  };
  const fits = ({ rehearsed }: Required<Chosen>): boolean => rehearsed.peak <= FILLED * memory;

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
  const { choice, rehearsed } = chosen;
  if (precompute === "auto" && choice.precompute)
    out.note("precompute_ref_log_probs: auto: the reference model is asked before training");
  if (fixed === undefined && choice.checkpoint > 0)
    out.note(`gradient_checkpointing: auto: ${choice.checkpoint} of ${config.layers} layers are recomputed`);
  const isAssumed = device_memory === undefined && real.limits?.memory === undefined;
  const takes = `the run takes ${shownBytes(rehearsed.peak)} of memory`;
  if (!fits(chosen))
    out.note(
      isAssumed
        ? `${takes}; the device does not tell what it has, so ${shownBytes(memory)} were assumed: device_memory sets it`
        : `warning: ${takes}, and there are ${shownBytes(memory)}; ${MENDS}`,
    );
  return chosen;
};
