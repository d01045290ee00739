import type { StepRecord } from "../../align/training/train.js";
import type { Device } from "../../core/index.js";
import { shownBytes } from "../../run/dry-run/memory-table.js";
import type { RunObserver } from "../../run/running/observer.js";
import { type Progress, progress } from "../progress.js";

/** Step, loss, margin, tokens/s and the most memory so far on standard error, from the first logged step on. */
export const progressLine = (device: Device): RunObserver => {
  let shown: Progress | undefined;
  let last: StepRecord | undefined;
  const more = (record: StepRecord): string => {
    const margin = record["rewards/margins"];
    const memory = shownBytes(device.stats().peakBytes);
    return margin === undefined ? memory : `margin ${margin.toFixed(3)}  ${memory}`;
  };
  return {
    start: ({ label, steps }) => {
      shown = progress({ label, total: steps, stream: process.stderr });
    },
    step: ({ step, record, tokens }) => {
      last = record ?? last;
      if (last !== undefined) shown?.step(step, { loss: last.loss, tokens, more: more(last) });
    },
    close: () => shown?.done(),
  };
};
