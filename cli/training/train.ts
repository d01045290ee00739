import { shownPlan } from "../../run/dry-run/dry-run.js";
import type { TrainingKind } from "../../run/fit/kinds.js";
import type { Values } from "../../run/options/takes.js";
import { runs } from "../../run/runs.js";
import { isFollower } from "../../run/workers/launch.js";
import type { Output } from "../output.js";
import { Stopped } from "../stopped.js";
import { progressLine } from "./progress-line.js";
import { stopOnSignals } from "./signals.js";

/** Runs a training command: what it is called with goes to the run, what that tells to the terminal. */
export const trainingCommand = async <K extends TrainingKind>(
  kind: K,
  values: Values<K>,
  out: Output,
): Promise<void> => {
  const ending = stopOnSignals(out.note);
  const result = await runs[kind](values, {
    ...out,
    observers: (device) => [progressLine(device), ending.observer],
    signal: ending.signal,
  });
  const isSilent = isFollower(process.env); // the first rank speaks for all
  if (!("stopped" in result)) {
    if (isSilent) return;
    const text = await shownPlan(result);
    return out.result(result, () => text);
  }
  const { output_dir, step, steps, stopped, checkpoint, metrics, peakBytes } = result;
  if (stopped)
    throw new Stopped(
      ending.by(),
      `stopped by ${ending.by()} after step ${step} of ${steps}; --resume goes on from ${checkpoint}`,
    );
  if (isSilent) return;
  out.result({ output_dir, steps, ...metrics, peak_memory_bytes: peakBytes }, () => `the model is in ${output_dir}`);
};
