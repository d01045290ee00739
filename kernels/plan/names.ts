import { mapViews } from "./map-views.js";
import type { Plan, View } from "./steps.js";

/**
 * The plan with one buffer for each piece of memory: views of buffers that share a slot, or of an output in a donated
 * input, name the first of them. For devices that bind memory and must not bind it twice.
 */
export const oneNameEach = (plan: Plan): Plan => {
  const firstIn = new Map<number, number>();
  const inputs = new Map(plan.buffers.flatMap(({ role }, i) => (role.kind === "input" ? [[role.index, i]] : [])));
  const names = plan.buffers.map(({ role }, i) => {
    if (role.kind === "output" && role.donor !== undefined) return inputs.get(role.donor) as number;
    if (role.kind !== "temporary") return i;
    const first = firstIn.get(role.slot) ?? i;
    firstIn.set(role.slot, first);
    return first;
  });
  const view = (seen: View): View => ({ ...seen, buffer: names[seen.buffer] });
  return { ...plan, steps: plan.steps.map((step) => mapViews(step, view)) };
};
