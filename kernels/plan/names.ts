import { mapViews } from "./map-views.js";
import type { Plan, View } from "./steps.js";

/**
 * The plan with one name for each piece of memory: views of buffers that lie at the same place, be it in a slot or in another
 * buffer, name the first of them. For devices that bind memory and must not bind it twice.
 */
export const oneNameEach = (plan: Plan): Plan => {
  const firstAt = new Map<string, number>();
  const inputs = new Map(plan.buffers.flatMap(({ role }, i) => (role.kind === "input" ? [[role.index, i]] : [])));
  const names: number[] = [];
  plan.buffers.forEach(({ role, bytes }, i) => {
    const placed = (whose: string, offset: number): number => {
      const place = `${whose} ${offset} ${bytes}`;
      const first = firstAt.get(place) ?? i;
      firstAt.set(place, first);
      return first;
    };
    const nameOf = (): number => {
      if (role.kind === "output" && role.donor !== undefined) return inputs.get(role.donor) as number;
      if (role.kind === "temporary") return placed(`slot ${role.slot}`, role.offset);
      if (role.kind !== "guest") return i;
      if (bytes === plan.buffers[role.host].bytes) return names[role.host];
      return placed(`buffer ${role.host}`, role.offset);
    };
    names.push(nameOf());
  });
  const view = (seen: View): View => ({ ...seen, buffer: names[seen.buffer] });
  return { ...plan, steps: plan.steps.map((step) => mapViews(step, view)) };
};
