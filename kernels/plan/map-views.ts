import type { SmallStep, Step } from "./steps.js";

const mapSmall = <A, B>(step: SmallStep<A>, view: (seen: A) => B): SmallStep<B> =>
  step.kind === "map"
    ? {
        ...step,
        inputs: step.inputs.map(view),
        outputs: step.outputs.map((out) => ({ ...out, view: view(out.view) })),
      }
    : { ...step, inputs: step.inputs.map(view), output: view(step.output) };

/** The step with each of its views replaced. */
export const mapViews = <A, B>(step: Step<A>, view: (seen: A) => B): Step<B> => {
  switch (step.kind) {
    case "batch":
      return { ...step, steps: step.steps.map((one) => mapSmall(one, view)) };
    case "matmul":
      return {
        ...step,
        a: view(step.a),
        b: view(step.b),
        output: view(step.output),
        epilogue: step.epilogue && { ...step.epilogue, inputs: step.epilogue.inputs.map(view) },
      };
    default:
      return mapSmall(step, view);
  }
};
