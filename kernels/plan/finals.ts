import { mapViews } from "./map-views.js";
import type { Plan } from "./steps.js";

/** A place between steps where outputs are final. */
export interface Cut {
  /** How many steps have run. */
  readonly steps: number;
  /** Outputs that no later step touches, by position; none of them of an earlier cut. */
  readonly outputs: readonly number[];
}

/** For each output how many steps have run when none that is left reads or writes it. */
const lastTouches = ({ buffers, steps, outputs }: Plan): number[] => {
  const last = new Map<number, number>();
  steps.forEach((step, at) => {
    mapViews(step, ({ buffer }) => last.set(buffer, at + 1));
  });
  const inputs = new Map(buffers.flatMap(({ role }, i) => (role.kind === "input" ? [[role.index, i] as const] : [])));
  return outputs.map((buffer) => {
    const { role } = buffers[buffer];
    // It may go by the name of the input that it lies in.
    const donor = role.kind === "output" && role.donor !== undefined ? inputs.get(role.donor) : undefined;
    return Math.max(last.get(buffer) ?? 0, donor === undefined ? 0 : (last.get(donor) ?? 0));
  });
};

/** Where outputs of at least so many bytes, each time, are final before the last step has run. */
const cutsOf = (plan: Plan, bytes: number): Cut[] => {
  const touches = lastTouches(plan).map((steps, output) => ({ steps, output }));
  const cuts: Cut[] = [];
  let [held, outputs]: [number, number[]] = [0, []];
  const ordered = touches.sort((a, b) => a.steps - b.steps || a.output - b.output);
  ordered.forEach(({ steps, output }, i) => {
    held += plan.buffers[plan.outputs[output]].bytes;
    outputs.push(output);
    const isLast = ordered[i + 1]?.steps !== steps;
    if (!isLast || held < bytes || steps === plan.steps.length) return;
    cuts.push({ steps, outputs });
    [held, outputs] = [0, []];
  });
  return cuts;
};

/** The same as a function of the bytes, which remembers. */
export const cutting = (plan: Plan): ((bytes: number) => readonly Cut[]) => {
  const known = new Map<number, readonly Cut[]>();
  return (bytes) => {
    const cuts = known.get(bytes) ?? cutsOf(plan, bytes);
    known.set(bytes, cuts);
    return cuts;
  };
};
