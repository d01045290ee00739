import type { Plan, SmallStep, Step, View } from "./steps.js";

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
  const small = (step: SmallStep): SmallStep =>
    step.kind === "map"
      ? {
          ...step,
          inputs: step.inputs.map(view),
          outputs: step.outputs.map((out) => ({ ...out, view: view(out.view) })),
        }
      : { ...step, inputs: step.inputs.map(view), output: view(step.output) };
  const rename = (step: Step): Step => {
    switch (step.kind) {
      case "batch":
        return { ...step, steps: step.steps.map(small) };
      case "matmul":
        return {
          ...step,
          a: view(step.a),
          b: view(step.b),
          output: view(step.output),
          epilogue: step.epilogue && { ...step.epilogue, inputs: step.epilogue.inputs.map(view) },
        };
      default:
        return small(step);
    }
  };
  return { ...plan, steps: plan.steps.map(rename) };
};
